//! Reads an unfinished command line: its command, the options so far, and what may follow. Knows no values.

use clap::{Arg, ArgAction};

/// A command line up to the cursor.
pub(super) struct TypedLine<'a> {
    /// The command that was named last.
    pub(super) command: &'a clap::Command,
    /// The options so far, each with its value if it takes one.
    typed: Vec<(&'a Arg, Option<String>)>,
    pub(super) end: End<'a>,
    /// The command is `help`: only names of commands may follow.
    pub(super) is_help: bool,
}

/// The unfinished last word.
pub(super) enum End<'a> {
    /// The value of an argument.
    Value {
        of: &'a Arg,
        /// The start of the same word, as `--output=`.
        before: String,
        text: String,
    },
    /// An option, with its dashes.
    Option(String),
    /// A command or a value.
    Word {
        /// The argument whose value it may be.
        of: Option<&'a Arg>,
        /// The command, if a subcommand may follow.
        within: Option<&'a clap::Command>,
        text: String,
    },
}

impl<'a> TypedLine<'a> {
    /// Reads the words after the program's name. The last one is unfinished. `program` must be built.
    pub(super) fn read(program: &'a clap::Command, words: &[String]) -> Self {
        let empty = String::new();
        let (last, words) = words.split_last().unwrap_or((&empty, &[]));
        let end = End::Option(String::new());
        let mut line = Self { command: program, typed: Vec::new(), end, is_help: false };
        let (mut waiting, mut positionals, mut is_escaped) = (None, 0, false);
        for word in words {
            if let Some(option) = waiting.take() {
                line.typed.push((option, Some(word.clone())));
            } else if word == "--" && !is_escaped {
                is_escaped = true;
            } else if !is_escaped && word.starts_with('-') && word != "-" {
                waiting = line.option(word);
            } else if let Some(command) = line.command.find_subcommand(word)
                && positionals == 0
            {
                line.is_help |= line.command.get_name() == "rydes" && word == "help";
                // After `help` come the commands of the program.
                line.command = if word == "help" { program } else { command };
            } else {
                positionals += 1;
            }
        }
        line.end = match waiting {
            Some(of) => End::Value { of, before: String::new(), text: last.clone() },
            None if last.starts_with('-') && !is_escaped => line.unfinished(last),
            None => End::Word {
                of: positional(line.command, positionals),
                within: Some(line.command).filter(|_| positionals == 0 && !is_escaped),
                text: last.clone(),
            },
        };
        line
    }

    /// Records a word of options. Returns the option that takes its value from the next word.
    fn option(&mut self, word: &str) -> Option<&'a Arg> {
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let option = self.long(name)?;
            if value.is_none() && takes_value(option) {
                return Some(option);
            }
            self.typed.push((option, value));
            return None;
        }
        for (at, letter) in word.char_indices().skip(1) {
            let option = self.short(letter)?;
            if takes_value(option) {
                let value = &word[at + letter.len_utf8()..];
                if value.is_empty() {
                    return Some(option);
                }
                let value = value.strip_prefix('=').unwrap_or(value);
                self.typed.push((option, Some(value.to_owned())));
                return None;
            }
            self.typed.push((option, None));
        }
        None
    }

    /// Reads a last word that begins with a dash.
    fn unfinished(&self, word: &str) -> End<'a> {
        let value = |of, at: usize| End::Value {
            of,
            before: word[..at].to_owned(),
            text: word[at..].to_owned(),
        };
        if let Some(long) = word.strip_prefix("--") {
            let named = long.split_once('=').and_then(|(name, _)| Some((self.long(name)?, name)));
            return match named {
                Some((of, name)) if takes_value(of) => value(of, "--=".len() + name.len()),
                _ => End::Option(word.to_owned()),
            };
        }
        for (at, letter) in word.char_indices().skip(1) {
            match self.short(letter) {
                Some(of) if takes_value(of) => {
                    let at = at + letter.len_utf8();
                    let equals = usize::from(word[at..].starts_with('='));
                    return value(of, at + equals);
                }
                Some(_) => {}
                None => break,
            }
        }
        End::Option(word.to_owned())
    }

    fn long(&self, name: &str) -> Option<&'a Arg> {
        let is_named =
            |arg: &&Arg| arg.get_long_and_visible_aliases().is_some_and(|all| all.contains(&name));
        self.command.get_arguments().find(is_named)
    }

    fn short(&self, letter: char) -> Option<&'a Arg> {
        self.command.get_arguments().find(|arg| arg.get_short() == Some(letter))
    }

    /// The last value that was typed for an option.
    pub(super) fn value(&self, id: &str) -> Option<String> {
        let mut values = self.typed.iter().rev().filter(|(arg, _)| arg.get_id() == id);
        values.next().and_then(|(_, value)| value.clone())
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.typed.iter().any(|(arg, _)| arg.get_id() == id)
    }

    /// The options that may follow: those of the command, then the global ones.
    pub(super) fn options(&self) -> Vec<&'a Arg> {
        let excludes = |one: &Arg, other: &Arg| {
            let conflicts = self.command.get_arg_conflicts_with(one);
            conflicts.iter().any(|conflict| conflict.get_id() == other.get_id())
        };
        let may = |arg: &&Arg| {
            let is_repeatable = matches!(arg.get_action(), ArgAction::Append);
            // Only one of the two options declares the conflict.
            let is_excluded =
                self.typed.iter().any(|(typed, _)| excludes(typed, arg) || excludes(arg, typed));
            !arg.is_hide_set()
                && !arg.is_positional()
                && !is_excluded
                && (is_repeatable || !self.has(arg.get_id().as_str()))
        };
        let mut options: Vec<_> = self.command.get_arguments().filter(may).collect();
        options.sort_by_key(|option| option.get_help_heading().is_some());
        options
    }
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|count| count.takes_values())
}

/// The positional argument after `before` values. A repeatable last argument takes any number.
fn positional(command: &clap::Command, before: usize) -> Option<&Arg> {
    let mut all = command.get_positionals().filter(|arg| !arg.is_hide_set());
    let last = command.get_positionals().last();
    all.nth(before).or(last.filter(|arg| matches!(arg.get_action(), ArgAction::Append)))
}
