//! Text from outside is hostile: these functions make it safe for terminals and for JSON.

use std::fmt::Write as _;

use icu_properties::props::{
    ExtendedPictographic, GeneralCategory, GeneralCategoryGroup, IndicSyllabicCategory, JoiningType,
};
use icu_properties::{CodePointMapData, CodePointSetData};
use serde::Serialize;

/// Control, format (with bidi), surrogate, private use and unassigned characters; line and paragraph separators.
const UNSAFE: GeneralCategoryGroup = GeneralCategoryGroup::Other
    .union(GeneralCategoryGroup::LineSeparator)
    .union(GeneralCategoryGroup::ParagraphSeparator);
/// Some editors write it before the first line.
const BYTE_ORDER_MARK: char = '\u{feff}';
const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
/// Tags after it make it the flag of a region, such as England.
const BLACK_FLAG: char = '\u{1f3f4}';
const CANCEL_TAG: char = '\u{e007f}';
/// Tags of a flag: two letters or three digits for the country, then one to four of either.
/// <https://www.unicode.org/reports/tr51/#def_emoji_tag_sequence>
const FLAG_TAGS: std::ops::RangeInclusive<usize> = 3..=7;

/// Whether [`printable`] escapes a character outside of words and pictographs: Unicode C*, Zl and Zp.
pub fn is_unsafe(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    UNSAFE.contains(category(c))
}

/// Whether cities and customers must not have it: Unicode Cc, Zl, Zp, bidi embeddings, overrides and isolates.
pub fn is_refused(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text without leading byte order marks.
pub fn without_mark(text: &str) -> &str {
    text.trim_start_matches(BYTE_ORDER_MARK)
}

/// The text without spaces around it and without leading byte order marks.
pub fn trimmed(text: &str) -> &str {
    text.trim_start_matches(|c: char| c == BYTE_ORDER_MARK || c.is_whitespace()).trim_end()
}

/// Escapes every unsafe character, as `\u{1b}`. It keeps U+200D between pictographs, U+200C and U+200D beside
/// letters of joining or Indic scripts, and the tags of a flag.
pub fn printable(text: &str) -> String {
    escaped(text, |safe, c| safe.extend(c.escape_unicode()))
}

/// As [`printable`], but `escape` appends the escaped form of a character to the text.
pub fn escaped(text: &str, mut escape: impl FnMut(&mut String, char)) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (before, after) = (&text[..text.len() - rest.len()], &rest[c.len_utf8()..]);
        let tags = if c == BLACK_FLAG { flag_tags(after) } else { "" };
        if !is_unsafe(c) || is_in_place(before, c, after) {
            safe.push(c);
            safe.push_str(tags);
        } else {
            escape(&mut safe, c);
        }
        rest = &after[tags.len()..];
    }
    safe
}

/// The tags at the start of `after` that turn a black flag into a region's; empty if they form no flag.
fn flag_tags(after: &str) -> &str {
    let is_tag = |c: &char| matches!(c, '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}');
    let tags = after.chars().take_while(is_tag).take(FLAG_TAGS.end() + 1).count();
    let length = tags * CANCEL_TAG.len_utf8();
    if FLAG_TAGS.contains(&tags) && after[length..].starts_with(CANCEL_TAG) {
        &after[..length + CANCEL_TAG.len_utf8()]
    } else {
        ""
    }
}

/// Whether the joiner may be part of a word or a pictograph here. Two in a row never are.
fn is_in_place(before: &str, joiner: char, after: &str) -> bool {
    if !matches!(joiner, JOINER | NON_JOINER) {
        return false;
    }
    let (last, next) = (before.chars().next_back(), after.chars().next());
    if last.into_iter().chain(next).any(is_unsafe) {
        return false;
    }
    let mut letters = before.chars().rev().skip_while(|c| is_mark(*c) && !is_joined(*c));
    let mut pictographs = before.chars().rev().skip_while(|c| is_variation(*c));
    letters.next().is_some_and(is_joined)
        || next.is_some_and(is_joined)
        || joiner == JOINER
            && pictographs.next().is_some_and(is_pictograph)
            && next.is_some_and(is_pictograph)
}

/// Whether it is a letter or a mark of a script whose letters join or stack.
fn is_joined(c: char) -> bool {
    if c.is_ascii() {
        return false;
    }
    let joins = CodePointMapData::<JoiningType>::new().get(c);
    let is_joining = matches!(
        joins,
        JoiningType::DualJoining | JoiningType::LeftJoining | JoiningType::RightJoining
    );
    let syllabic = CodePointMapData::<IndicSyllabicCategory>::new().get(c);
    // Cantillation marks stand on letters of other scripts too.
    let is_indic =
        !matches!(syllabic, IndicSyllabicCategory::Other | IndicSyllabicCategory::CantillationMark);
    is_joining
        || is_indic
            && GeneralCategoryGroup::Letter.union(GeneralCategoryGroup::Mark).contains(category(c))
}

fn is_mark(c: char) -> bool {
    category(c) == GeneralCategory::NonspacingMark
}

fn is_pictograph(c: char) -> bool {
    CodePointSetData::new::<ExtendedPictographic>().contains(c)
}

/// Whether it selects the look of the pictograph before it: colour or skin tone.
fn is_variation(c: char) -> bool {
    matches!(c, '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}')
}

fn category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

/// Escapes non-ASCII characters and U+007F. JSON has them in strings alone, so the document keeps its meaning.
pub fn ascii_json(json: String) -> String {
    let is_plain = |c: char| c.is_ascii() && c != '\u{7f}';
    if json.chars().all(is_plain) {
        return json;
    }
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if is_plain(c) {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(ascii, "\\u{unit:04x}").expect("writing to a string cannot fail");
            }
        }
    }
    ascii
}

/// Two lower-case hexadecimal digits per byte.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}

/// A JSON document on one line, ASCII only.
pub fn compact_json(document: &impl Serialize) -> String {
    compact_json_of(document, 128)
}

/// The same, with the capacity for about so many bytes: documents that are kept take no more than they need.
pub fn compact_json_of(document: &impl Serialize, bytes: usize) -> String {
    let mut json = Vec::with_capacity(bytes);
    serde_json::to_writer(&mut json, document).expect("our own documents can be written");
    ascii_json(String::from_utf8(json).expect("JSON is UTF-8"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn escapes_what_a_terminal_would_obey() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(printable("x\u{202e}y\u{2028}z\u{7f}"), "x\\u{202e}y\\u{2028}z\\u{7f}");
        assert_eq!(printable("Zürich → 東京"), "Zürich → 東京");
    }

    /// Words that are written with a joiner, and pictographs.
    const WRITTEN: [&str; 12] = [
        "می\u{200c}خواهم",
        "کار\u{200c}ها",
        "PDF\u{200c}ها",
        "مدیرِ\u{200c} ",
        "۱۴۴۵ ه\u{200d}",
        "ශ්\u{200d}රී ලංකාව",
        "क्\u{200d}ष, क्\u{200c}ष",
        "র\u{200d}্যাম",
        "👨\u{200d}👩\u{200d}👧\u{200d}👦 👩🏽\u{200d}🚀 ❤\u{fe0f}\u{200d}🔥",
        "🏳\u{fe0f}\u{200d}🌈 🏴\u{200d}☠\u{fe0f}",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        "🇩🇪 1\u{fe0f}\u{20e3}",
    ];

    #[test]
    fn joiners_are_printed_where_words_are_written_with_them() {
        for text in WRITTEN {
            assert_eq!(printable(text), text);
        }
        for (text, shown) in [
            ("Uni\u{200c}corn", "Uni\\u{200c}corn"),
            ("Uni\u{200d}corn", "Uni\\u{200d}corn"),
            ("e\u{301}\u{200d}x", "e\u{301}\\u{200d}x"),
            ("\u{200d}", "\\u{200d}"),
            ("東\u{200c}京 1\u{200d}2 -\u{200c}-", "東\\u{200c}京 1\\u{200d}2 -\\u{200c}-"),
            // No word has two in a row.
            ("ه\u{200d}\u{200d}", "ه\\u{200d}\\u{200d}"),
            ("ه\u{200c}\u{202e}ه", "ه\\u{200c}\\u{202e}ه"),
            ("👨\u{200c}👩", "👨\\u{200c}👩"),
            ("👨\u{200d}x", "👨\\u{200d}x"),
            ("👨\u{200d}\u{1f8ff}", "👨\\u{200d}\\u{1f8ff}"),
            // Tags that form no flag could hide any text.
            ("x\u{e0067}", "x\\u{e0067}"),
            ("🏴\u{e0067}\u{e0062}", "🏴\\u{e0067}\\u{e0062}"),
            ("🏴\u{e0067}\u{e007f}", "🏴\\u{e0067}\\u{e007f}"),
            ("\u{ad}\u{feff}\u{200e}\u{200b}", "\\u{ad}\\u{feff}\\u{200e}\\u{200b}"),
        ] {
            assert_eq!(printable(text), shown);
        }
        let hidden = format!("🏴{}\u{e007f}", "\u{e0061}".repeat(8));
        assert!(!printable(&hidden).contains('\u{e0061}'));
    }

    #[test]
    fn letters_that_neither_join_nor_stack_hold_no_joiner() {
        for c in ('\0'..='\u{5ff}').chain('\u{1e00}'..='\u{a63f}').chain('\u{ac00}'..='\u{d7ff}') {
            assert!(!is_joined(c), "{c:?}");
        }
    }

    #[test]
    fn cities_are_refused_what_reorders_or_breaks_a_line_alone() {
        for text in WRITTEN.into_iter().chain(["a\u{ad}\u{feff}\u{200e}b\u{e000}"]) {
            assert!(!text.contains(is_refused), "{text}");
        }
        for c in ['\0', '\n', '\u{1b}', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}'] {
            assert!(is_refused(c), "{c:?}");
        }
        assert!(('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}').all(is_refused));
        assert_eq!(trimmed("\u{feff} \u{feff}Rome \u{feff}\n"), "Rome \u{feff}");
    }

    #[test]
    fn bytes_have_two_digits_each() {
        assert_eq!(hexadecimal(&[0, 0xab]), "00ab");
    }

    #[test]
    fn json_is_ascii_and_means_the_same() {
        let value = serde_json::json!({"to": "Zürich \u{1f984}\u{7f}\u{ffff}"});
        let json = compact_json(&value);
        assert_eq!(json, r#"{"to":"Z\u00fcrich \ud83e\udd84\u007f\uffff"}"#);
        assert_eq!(serde_json::from_str::<Value>(&json).expect("valid JSON"), value);
    }
}
