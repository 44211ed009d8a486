//! Table and bars are one: rows, columns, the line of the deadline, and colours that mean one thing.

use serde_json::{Value, json};

use super::{Answered, follow, followed, put_answers, quote};
use crate::support::browser::Browser;
use crate::support::stack::{RESPONSES, Stack, provider};

/// One of each kind, after a deadline of 2 s.
fn one_of_each() -> Vec<Answered> {
    vec![
        (1, quote(16), 900),
        (2, quote(89), 1_500),
        (3, quote(5), 3_000),
        (4, ("failed", json!("engine fault")), 1_700),
        (5, ("silent", json!("not available")), 90),
    ]
}

fn over(stack: &Stack) -> (crate::support::http::Server, Browser) {
    let server = stack.serve();
    let id = server.submit(r#", "deadline": "2s""#);
    put_answers(stack, &id, &one_of_each());
    let browser = follow(&server, &id);
    browser.sees("#answer", "Best 16");
    browser.sees("#rows tr.late", "late");
    (server, browser)
}

/// The edges of all elements that a selector finds, in the order left, top, right, bottom.
fn edges(browser: &Browser, selector: &str) -> Vec<[f64; 4]> {
    let found = browser.run(&format!(
        "return [...document.querySelectorAll({})].map((one) => one.getBoundingClientRect())
           .map(({{left, top, right, bottom}}) => [left, top, right, bottom])",
        json!(selector)
    ));
    serde_json::from_value(found).expect("edges")
}

#[test]
fn each_row_has_its_bar_under_one_line_for_the_deadline_in_a_colour_that_means_one_thing() {
    let stack = Stack::set_up(5);
    let (_server, browser) = over(&stack);
    bars_end_at_the_line_of_the_deadline(&browser);
    colours_are_those_of_the_legend_and_a_word_says_the_same(&browser);
}

fn bars_end_at_the_line_of_the_deadline(browser: &Browser) {
    for width in [360, 768, 1_280] {
        browser.look(width, 800, "light");
        let rows = edges(browser, "#rows tr");
        assert_eq!(rows.len(), 5);
        let [line] = edges(browser, "#lines .deadline")[..] else { panic!("one line") };
        assert!(line[1] < rows[0][1] && line[3] >= rows[4][3] - 1.0, "{line:?} spans {rows:?}");
        browser.sees("#scale .deadline", "deadline 2 s");
        let [label] = edges(browser, "#scale .deadline")[..] else { panic!("one label") };
        assert!(label[0] <= line[0] && line[2] <= label[2], "{label:?} names {line:?}");
        // What came in time ends before the line, what came late behind it.
        let [best] = edges(browser, "tr.best .work")[..] else { panic!("one bar") };
        let [late] = edges(browser, "tr.late .work")[..] else { panic!("one bar") };
        assert!(best[2] < line[0] && late[0] < line[0] && late[2] > line[2], "{best:?} {late:?}");
        // The silent one was waited for until then.
        let [waited] = edges(browser, "tr.silent .waits")[..] else { panic!("one bar") };
        assert!((waited[2] - line[0]).abs() < 3.0, "{waited:?} {line:?}");
        let (names, bars) = (edges(browser, "#rows td.who"), edges(browser, "#rows .times"));
        for (name, bar) in names.iter().zip(&bars) {
            if width == 360 {
                assert!(bar[1] >= name[3] - 1.0, "the bar {bar:?} is under the name {name:?}");
            } else {
                assert!(bar[0] > name[2] && bar[1] < name[3], "{bar:?} is beside {name:?}");
            }
        }
    }
}

/// A colour of the first element that a selector finds.
fn colour(browser: &Browser, property: &str, selector: &str) -> String {
    let text = browser.run(&format!(
        "return getComputedStyle(document.querySelector({}))[{}]",
        json!(selector),
        json!(property)
    ));
    text.as_str().expect("a colour").to_owned()
}

#[test]
fn declines_and_failures_that_came_late_are_marked_as_late_quotes_are() {
    let stack = Stack::set_up(4);
    let server = stack.serve();
    let id = server.submit(r#", "deadline": "2s""#);
    let answers = [
        (1, quote(16), 900),
        (2, ("declined", json!("too far")), 2_024),
        (3, ("failed", json!("engine fault")), 3_000),
        (4, quote(5), 3_100),
    ];
    put_answers(&stack, &id, &answers);
    let browser = follow(&server, &id);
    browser.sees("#rows tr.declined.late .note", "declined late by 30 ms: too far");
    browser.sees("#rows tr.failed.late .note", "failed late by 1.0 s: engine fault");
    browser.sees("#rows tr.late .note", "late by 1.1 s");
    let quoted = "#rows tr.late:not(.declined):not(.failed)";
    for row in ["#rows tr.declined.late", "#rows tr.failed.late"] {
        for (property, part) in [("backgroundColor", ".work"), ("color", ".said")] {
            let of = |row| colour(&browser, property, &format!("{row} {part}"));
            assert_eq!(of(row), of(quoted), "{part} of {row}");
        }
    }
    assert!(!browser.texts("#legend li").iter().any(|word| word.contains("silent")));
}

fn colours_are_those_of_the_legend_and_a_word_says_the_same(browser: &Browser) {
    let colour = |selector: &str| colour(browser, "backgroundColor", selector);
    let kinds = ["best", "reply", "late", "failed"];
    let colours = kinds.map(|kind| {
        let bar = colour(&format!("tr.{kind} .work"));
        assert_eq!(bar, colour(&format!("#legend .{kind}")), "{kind}");
        bar
    });
    let distinct: std::collections::HashSet<_> = colours.iter().collect();
    assert_eq!(distinct.len(), kinds.len(), "{colours:?}");
    let legend = browser.texts("#legend li");
    assert_eq!(legend[..5], ["best", "reply", "late", "failed", "waiting"]);
    browser.sees("tr.silent .note", "silent: not available");
    let meant = "silent: took the request, sent no quote";
    assert_eq!(legend.last().map(String::as_str), Some(meant));
    for (row, word) in
        [("best", "best"), ("late", "late by 1.0 s"), ("failed", "failed: engine fault")]
    {
        browser.sees(&format!("tr.{row} .note"), word);
    }
    // What is dropped of a name is there for those who listen, copy or point at it.
    let name = browser.run(
        "const name = document.querySelector('tr.best .name');
         return [name.textContent, name.title, name.lastChild.textContent]",
    );
    assert_eq!(name, json!([provider(1), provider(1), "Resource1"]));
}

#[test]
fn columns_stay_where_they_are_while_rows_arrive() {
    let stack = Stack::set_up(3);
    let server = stack.serve();
    let _consumer = stack.background("consumer run --output jsonl --poll-wait 2s");
    let id = server.submit(r#", "deadline": "10m", "best-by": "min:/eta""#);
    let browser = follow(&server, &id);
    browser.sees("#rows tr", "waiting");
    browser.sees("#by", "eta");
    let columns = |browser: &Browser| -> Vec<[f64; 2]> {
        edges(browser, "#quotes th").iter().map(|[left, _, right, _]| [*left, *right]).collect()
    };
    let before = columns(&browser);
    // One that was not asked has a long name.
    let long = "x".repeat(64);
    stack.put(&json!({"id": id, "responder": long, "quote": 3}));
    browser.sees("#rows .who", &long);
    assert_eq!(columns(&browser), before);
    for (number, answer) in [
        (1, json!({"quote": 7, "details": {"eta": 9, "vehicle": "a golden coach ".repeat(9)}})),
        (2, json!({"quote": 1e30, "details": {"eta": 8}})),
        (3, json!({"declined": "no ".repeat(99), "from": "A", "to": "B", "customer": "c"})),
    ] {
        let mut reply = json!({"responder": provider(number), "rfq-id": id});
        reply.as_object_mut().expect("an object").extend(answer.as_object().expect("one").clone());
        stack.send(RESPONSES, &reply.to_string());
        stack.row_when(&id, &provider(number), |_| true);
        browser.sees("#rows tr:not(.waiting) .who", &provider(number));
        assert_eq!(columns(&browser), before, "after {answer}");
    }
}

#[test]
fn a_deadline_that_is_far_away_is_on_the_axis_too() {
    let (stack, _server, id, browser) = followed(2, r#", "deadline": "10m""#);
    put_answers(&stack, &id, &[(1, quote(16), 900)]);
    browser.sees("#answer", "Best so far 16");
    browser.sees("#scale .deadline", "deadline 10 min");
    let (line, chart) = (edges(&browser, "#lines .deadline")[0], edges(&browser, "#chart")[0]);
    assert!(line[2] < chart[2], "{line:?} is inside {chart:?}");
    let gap = edges(&browser, "#lines .gap")[0];
    let work = edges(&browser, "tr.best .work")[0];
    assert!(work[2] < gap[0] && gap[2] < line[0], "{work:?}, the break {gap:?}, {line:?}");
    assert!(work[2] - work[0] > 5.0, "and what is near can be seen: {work:?}");
    // Closed, its end has a line of its own.
    stack.rydes("close").arg(&id).run().exits(0);
    browser.sees("#scale .closed", "ended");
    assert_eq!(edges(&browser, "#lines .closed").len(), 1);
    let closed: Value = browser.run("return document.querySelector('#going').hidden");
    assert_eq!(closed, true);
}
