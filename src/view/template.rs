//! A template as JSON that people read and compare: what fits stands on one line.

use serde_json::Value;

/// The widest line of a value that is not broken.
const WIDTH: usize = 100;

/// The JSON text of a template.
pub fn text(template: &Value) -> String {
    let mut text = String::new();
    write(template, 0, 0, &mut text);
    text
}

/// Writes a value whose first line begins after `before` columns and whose others are indented by `depth` levels.
fn write(value: &Value, depth: usize, before: usize, text: &mut String) {
    let line = on_one_line(value);
    if depth > 0 && before + line.len() < WIDTH {
        text.push_str(&line);
        return;
    }
    let (open, close, entries): (_, _, Vec<(String, &Value)>) = match value {
        Value::Object(all) => {
            let named = |(name, value)| (format!("{}: ", Value::from(name as &str)), value);
            ('{', '}', all.iter().map(|(name, value)| named((name, value))).collect())
        }
        Value::Array(all) => ('[', ']', all.iter().map(|value| (String::new(), value)).collect()),
        _ => return text.push_str(&line),
    };
    text.push(open);
    for (position, (name, value)) in entries.iter().enumerate() {
        text.push_str(if position == 0 { "\n" } else { ",\n" });
        let indent = "  ".repeat(depth + 1);
        text.push_str(&indent);
        text.push_str(name);
        write(value, depth + 1, indent.len() + name.len(), text);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push(close);
}

fn on_one_line(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Object(all) => {
            let entry = |(name, value): (&String, &Value)| {
                format!("{}: {}", Value::from(name.as_str()), on_one_line(value))
            };
            format!("{{{}}}", joined(all.iter().map(entry).collect()))
        }
        Value::Array(all) => format!("[{}]", joined(all.iter().map(on_one_line).collect())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_stands_on_one_line_and_all_is_json() {
        let long = "x".repeat(WIDTH);
        let template = json!({
            "short": {"Ref": "Stack"}, "quoted \"name\"": [1, true, null], "long": [long, {}],
        });
        let laid = text(&template);
        let long = format!("  \"long\": [\n    \"{long}\",\n    {{}}\n  ]\n");
        let short =
            "{\n  \"short\": {\"Ref\": \"Stack\"},\n  \"quoted \\\"name\\\"\": [1, true, null],\n";
        assert_eq!(laid, format!("{short}{long}}}"));
        assert_eq!(serde_json::from_str::<Value>(&laid).expect("JSON"), template);
    }
}
