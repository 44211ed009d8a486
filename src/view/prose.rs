//! Text for people in the width of their terminal. Commands stay whole, so that they can be copied.

use unicode_width::UnicodeWidthStr as _;

use super::table::{Words, wrapped_at};

/// What begins a command at the end of a sentence.
const COMMAND: &str = ": rydes ";

/// A sentence in lines of at most this width. A command at its end has a line of its own; text that may contain a
/// command elsewhere stays one line, which the terminal breaks.
pub(crate) fn laid_out(text: &str, width: Option<u16>) -> Vec<String> {
    let whole = || vec![text.to_owned()];
    let Some(width) = width.map(usize::from).filter(|width| text.width() > *width) else {
        return whole();
    };
    match text.split_once(COMMAND) {
        Some((before, command)) if before.contains(' ') && !before.contains("rydes ") => {
            let mut lines = wrapped_at(&format!("{before}:"), width, Words::Whole);
            lines.push(format!("  rydes {command}"));
            lines
        }
        None if !text.contains("rydes ") && !text.contains('`') => {
            wrapped_at(text, width, Words::Whole)
        }
        _ => whole(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_break_between_words_and_commands_never() {
        let lines = |text| laid_out(text, Some(30));
        assert_eq!(lines("it fits"), ["it fits"]);
        assert_eq!(
            lines("hint: its deadline is over; to send it back: rydes dlq replay 2f9c1c5e-3a33"),
            [
                "hint: its deadline is over; to",
                "  send it back:",
                "  rydes dlq replay 2f9c1c5e-3a33"
            ]
        );
        assert_eq!(
            lines("interrupted with 3 requests in hand, by Ctrl-C"),
            ["interrupted with 3 requests in", "  hand, by Ctrl-C"]
        );
        for whole in [
            "hint: rydes dlq show ID shows one in full; rydes dlq replay --all",
            "write `--best-by min:/eta-minutes` in its place",
        ] {
            assert_eq!(lines(whole), [whole]);
        }
        let text = "a text without a terminal is one line, however long it may be";
        assert_eq!(laid_out(text, None), [text]);
    }
}
