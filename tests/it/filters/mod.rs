//! The evaluator of filter policies against what a real LocalStack delivers: random policies and messages, and
//! by hand the places where LocalStack is known to differ from AWS.

mod bed;
mod bodies;
mod differences;
mod draw;
mod policies;

use rydes::core::filter::{FilterInput, FilterOutcome, FilterPolicy, FilterScope};

use self::bed::TestBed;
use self::draw::Draw;

/// How many pairs of a policy and a message are tried: 600 unless this variable says otherwise.
const PAIRS: &str = "RYDES_TEST_FILTER_PAIRS";
/// Where the random numbers begin: 1 unless this variable says otherwise.
const SEED: &str = "RYDES_TEST_FILTER_SEED";
/// The least share of matches, and of misses, in percent. Less would test little.
const LEAST_SHARE: usize = 15;
/// What the policies have to hold somewhere.
const OPERATORS: [&str; 17] = [
    "\"prefix\":",
    "\"suffix\":",
    "\"equals-ignore-case\":",
    "\"anything-but\":\"",
    "\"anything-but\":[\"",
    "\"anything-but\":[1",
    "\"anything-but\":{\"prefix\":",
    "\"numeric\":[\"=\"",
    "\"numeric\":[\"<\"",
    "\"numeric\":[\"<=\"",
    "\"numeric\":[\">\"",
    "\"numeric\":[\">=\"",
    "\"exists\":true",
    "\"exists\":false",
    "\"$or\":[",
    "\"detail\":{",
    "\"detail.",
];

/// A number from the environment.
fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

#[test]
#[expect(clippy::print_stderr, reason = "the figures of a long run are of use")]
fn localstack_delivers_what_the_evaluator_says() {
    let pairs = usize::try_from(number(PAIRS, 600)).expect("not that many");
    let seed = number(SEED, 1);
    let mut draw = Draw::new(seed);
    let count = pairs.isqrt().max(60);
    let mut policies = Vec::new();
    while policies.len() < count || !missing(&policies).is_empty() {
        policies.push(draw.policy());
    }
    let bodies: Vec<_> = (0..pairs.div_ceil(count)).map(|number| draw.body(number)).collect();
    let read: Vec<_> =
        policies.iter().map(|(scope, policy)| (*scope, good(policy, *scope))).collect();

    let field = TestBed::with(&policies);
    field.publish(&bodies);
    let arrived = field.arrived(bodies.len());

    let (mut matches, mut wrong) = (0, Vec::new());
    for (((scope, policy), (_, json)), arrived) in read.iter().zip(&policies).zip(&arrived) {
        for body in &bodies {
            let said = policy.evaluate(*scope, &FilterInput::new(body));
            let is_there = arrived.contains(body);
            matches += usize::from(is_there);
            if (said == FilterOutcome::Asked) != is_there
                || matches!(said, FilterOutcome::CannotTell { .. })
            {
                wrong.push(format!("{scope:?} {json} {body}: {said:?}, arrived: {is_there}"));
            }
        }
    }
    let all = policies.len() * bodies.len();
    let about = format!("{SEED}={seed}: {all} pairs, {matches} matches, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{about}\n{}", wrong[..wrong.len().min(20)].join("\n"));
    let is_enough = |share: usize| share * 100 >= all * LEAST_SHARE;
    assert!(is_enough(matches) && is_enough(all - matches), "{about}");
    eprintln!("{about}");
}

/// The operators that no policy has.
fn missing(policies: &[(FilterScope, String)]) -> Vec<&str> {
    let is_there = |operator: &&str| policies.iter().any(|(_, policy)| policy.contains(*operator));
    OPERATORS.into_iter().filter(|operator| !is_there(operator)).collect()
}

/// A policy that AWS takes and that is known throughout.
#[track_caller]
fn good(policy: &str, scope: FilterScope) -> FilterPolicy {
    let read = FilterPolicy::parse(policy).unwrap_or_else(|problem| panic!("{policy}: {problem}"));
    read.check(scope).unwrap_or_else(|problem| panic!("{policy}: {problem}"));
    assert_eq!(read.unknowns(), [], "{policy}");
    read
}
