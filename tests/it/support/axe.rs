//! axe-core, which finds faults of a page that shut people out. `tests/vendor/axe-core` holds version 4.14.1 of npm's
//! package unchanged, under the Mozilla Public License 2.0; its source is at <https://github.com/dequelabs/axe-core>.

use super::browser::Browser;

const AXE: &str = include_str!("../../vendor/axe-core/axe.min.js");
/// Every rule for WCAG 2.2 AA and for good practice.
const RUN: &str = r"
  return axe.run(document, {resultTypes: ['violations']}).then(({violations}) =>
    violations.flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.html}: ${node.failureSummary}`)));
";

impl Browser {
    /// What axe-core finds wrong with the page as it is now.
    pub fn violations(&self) -> Vec<String> {
        if self.run("return typeof axe") == "undefined" {
            self.run(AXE);
        }
        let found = self.run(RUN);
        let found = found.as_array().expect("a list").iter();
        found.map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect()
    }

    /// Whether a rule of axe-core finds a fault where there is one: without that, no fault means nothing.
    pub fn would_find_a_fault(&self) -> bool {
        let input = "document.querySelector('main').append(document.createElement('input'))";
        self.run(input);
        let found = self.violations();
        self.run("document.querySelector('main > input').remove()");
        found.iter().any(|one: &String| one.starts_with("label: "))
    }
}
