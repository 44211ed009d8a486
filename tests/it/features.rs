//! `cargo run` and `cargo test` build each crate once: the features that the tests' own crates turn on are those of the program.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Each crate that these edges lead to, with its features. A crate that is built for the program and
/// for build scripts too has both sets.
fn features(edges: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut tree = Command::new(env!("CARGO"));
    tree.current_dir(env!("CARGO_MANIFEST_DIR"));
    tree.args(["tree", "--locked", "--offline", "--prefix", "none", "--no-dedupe"]);
    tree.args(["--edges", edges, "--format", "{p}\t{f}"]);
    let output = tree.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut features = BTreeMap::<_, BTreeSet<_>>::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let (name, its) = line.split_once('\t').expect("the format has a tab");
        features.entry(name.to_owned()).or_default().insert(its.to_owned());
    }
    features
}

#[test]
fn the_tests_turn_on_no_feature_of_a_crate_that_the_program_is_built_from() {
    let (program, tests) = (features("normal,build"), features("normal,build,dev"));
    assert!(program.len() > 100 && tests.len() > program.len(), "{} crates", program.len());
    let differ: Vec<_> =
        program.iter().filter(|(name, its)| tests.get(*name) != Some(its)).collect();
    let beside: Vec<_> = differ.iter().map(|(name, _)| (name, tests.get(*name))).collect();
    assert!(differ.is_empty(), "built twice: {differ:#?}\nwith the tests: {beside:#?}");
}
