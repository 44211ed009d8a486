//! Draws policies. They keep clear of what [`super::differences`] lists.

use rydes::core::filter::FilterScope;

use super::draw::Draw;

/// Parts of the cities.
const STARTS: [&str; 6] = ["R", "Ro", "New ", "Delhi", "o", "Z"];
const ENDS: [&str; 5] = ["e", "Delhi", "o", "ürich", "Ro"];
/// Keys of text at the top level, and inside `detail` and `deep`.
const TEXTS: [&[&str]; 4] = [&["from"], &["to"], &["detail", "state"], &["detail", "deep", "code"]];
/// Keys of numbers.
const COUNTS: [&[&str]; 2] = [&["seats"], &["detail", "cost"]];

impl Draw {
    /// A policy, now and then of the scope in which no message of ours matches.
    pub fn policy(&mut self) -> (FilterScope, String) {
        if self.happens(4) {
            let rule = self.rules_of_text(false);
            return (FilterScope::MessageAttributes, format!("{{\"from\":[{rule}]}}"));
        }
        (FilterScope::MessageBody, self.conditions())
    }

    fn conditions(&mut self) -> String {
        match self.below(10) {
            0 => self.flag(),
            1 => self.of_items(),
            2..=4 => self.alternatives(),
            5 => self.nested_alternatives(),
            _ => self.keys(),
        }
    }

    /// One to three different keys, those of `detail` written with a dot or as an object.
    fn keys(&mut self) -> String {
        let mut keys: Vec<&[&str]> = TEXTS.into_iter().chain(COUNTS).collect();
        let count = 1 + self.below(7) / 3;
        let mut fields = Vec::new();
        for _ in 0..count {
            let key = keys.swap_remove(self.below(keys.len()));
            // An object would be there twice.
            let is_plain = fields.is_empty() && self.happens(70);
            fields.push(self.key(key, is_plain));
        }
        format!("{{{}}}", fields.join(","))
    }

    fn key(&mut self, key: &[&str], is_plain: bool) -> String {
        let rules =
            if COUNTS.contains(&key) { self.rules_of_number() } else { self.rules_of_text(true) };
        if !is_plain {
            return format!("\"{}\":[{rules}]", key.join("."));
        }
        let (last, above) = key.split_last().expect("a key");
        let field = format!("\"{last}\":[{rules}]");
        above.iter().rev().fold(field, |inner, name| format!("\"{name}\":{{{inner}}}"))
    }

    fn flag(&mut self) -> String {
        let values = ["true", "false", "null", "\"yes\"", "true,null", "false,\"yes\""];
        format!("{{\"flag\":[{}]}}", self.one(&values))
    }

    /// A key in the elements of an array.
    fn of_items(&mut self) -> String {
        let field = if self.happens(50) {
            format!("\"sku\":[{}]", self.rules_of_text(false))
        } else {
            format!("\"count\":[{}]", self.numeric())
        };
        format!("{{\"items\":{{{field}}}}}")
    }

    fn alternatives(&mut self) -> String {
        let (one, two) = (self.key(TEXTS[0], true), self.key(TEXTS[1], true));
        let three = self.key(COUNTS[1], true);
        match self.below(5) {
            0 => format!("{{\"$or\":[{{{one}}},{{{two}}}]}}"),
            1 => format!("{{\"$or\":[{{{one},{three}}},{{{two}}}]}}"),
            2 => format!("{{{one},\"$or\":[{{{two}}},{{{three}}}]}}"),
            3 => {
                let four = self.key(COUNTS[0], true);
                let inner = format!("\"$or\":[{{{two}}},{{{three}}}]");
                format!("{{\"$or\":[{{{one},{inner}}},{{{four}}}]}}")
            }
            _ => {
                let (state, cost) = (self.rules_of_text(true), self.rules_of_number());
                let inner = format!("\"$or\":[{{\"state\":[{state}]}},{{\"cost\":[{cost}]}}]");
                format!("{{\"$or\":[{{{one}}},{{{two}}}],\"detail\":{{{inner}}}}}")
            }
        }
    }

    fn nested_alternatives(&mut self) -> String {
        let (state, cost) = (self.rules_of_text(true), self.rules_of_number());
        let or = format!("\"$or\":[{{\"state\":[{state}]}},{{\"cost\":[{cost}]}}]");
        if self.happens(50) {
            return format!("{{\"detail\":{{{or}}}}}");
        }
        let code = self.rules_of_text(true);
        format!("{{\"detail\":{{\"deep\":{{\"code\":[{code}]}},{or}}}}}")
    }

    fn rules_of_text(&mut self, may_be_absent: bool) -> String {
        let one = self.rule_of_text(may_be_absent);
        if self.happens(60) { format!("{one},{}", self.rule_of_text(may_be_absent)) } else { one }
    }

    fn rule_of_text(&mut self, may_be_absent: bool) -> String {
        self.texts += 1;
        match self.texts % if may_be_absent { 9 } else { 8 } {
            0 => self.text(),
            1 => format!("{{\"prefix\":\"{}\"}}", self.one(&STARTS)),
            2 => format!("{{\"suffix\":\"{}\"}}", self.one(&ENDS)),
            3 => format!("{{\"equals-ignore-case\":{}}}", self.text()),
            4 => format!("{{\"anything-but\":{}}}", self.text()),
            5 => format!("{{\"anything-but\":{}}}", self.texts()),
            6 => format!("{{\"anything-but\":{{\"prefix\":\"{}\"}}}}", self.one(&STARTS)),
            7 => "{\"exists\":true}".to_owned(),
            _ => "{\"exists\":false}".to_owned(),
        }
    }

    fn rules_of_number(&mut self) -> String {
        self.numbers += 1;
        match self.numbers % 6 {
            0 => self.number(),
            1 => format!("{},{}", self.number(), self.numeric()),
            2 => {
                format!("{{\"anything-but\":[1{},{}]}}", self.one(&["", ".0", "e1"]), self.number())
            }
            3 if self.happens(50) => format!("{{\"exists\":{}}}", self.one(&["true", "false"])),
            _ => self.numeric(),
        }
    }

    fn numeric(&mut self) -> String {
        let end = self.number();
        self.ends += 1;
        match self.ends % 7 {
            0 => format!("{{\"numeric\":[\"=\",{end}]}}"),
            1 => format!("{{\"numeric\":[\"<\",{end}]}}"),
            2 => format!("{{\"numeric\":[\"<=\",{end}]}}"),
            3 => format!("{{\"numeric\":[\">\",{end}]}}"),
            4 => format!("{{\"numeric\":[\">=\",{end}]}}"),
            _ => {
                let low = self.one(&["-3", "0", "1.0", "1e0"]);
                let high = self.one(&["2.5", "10", "15e1"]);
                let (from, to) = (self.one(&[">", ">="]), self.one(&["<", "<="]));
                format!("{{\"numeric\":[\"{from}\",{low},\"{to}\",{high}]}}")
            }
        }
    }
}
