//! How a simulated provider answers a request: a pure function of the seed, the RFQ and the provider, so that a
//! redelivered request gets the same answer.

use std::time::Duration;

use super::chance::{Chance, below};
use super::fault::{Fault, FaultKind};
use crate::core::{Details, Price, ProviderName, Request, Timestamp};
use crate::flow::provider::delivery::{CrashMoment, RECEIVED_LATE, ReplyDelivery};

/// `demo` never misses a deadline on purpose that is further away than this. It never waits longer than this for a
/// deadline to pass, because the customer's clock may be wrong.
const FAR_DEADLINE: Duration = Duration::from_mins(1);
/// The receipt in place of a deliberately late answer when too many others wait.
const CROWDED: &str = "too many requests are waiting";
/// The longest time that any profile thinks.
const LONGEST_THOUGHT: Duration = Duration::from_mins(1);
const DECLINES: [&str; 3] = ["fully booked", "too far", "no unicorn awake"];
const VEHICLES: [&str; 4] = ["unicorn", "two unicorns", "open carriage", "closed carriage"];
/// The most minutes until a vehicle arrives.
const LONGEST_ETA: u64 = 30;

/// How a simulated provider behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Profile {
    /// Thinks 0.2 to 4 s; 10 % each decline, stay silent, fail, or answer too late.
    #[default]
    Demo,
    /// As the original: 50 % stay silent, the others think 0 to 60 s (a deadline of 70 s suits it).
    Workshop,
    /// Always quotes, at once.
    Steady,
}

impl Profile {
    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Workshop => "workshop",
            Self::Steady => "steady",
        }
    }
}

/// What decides an answer besides the request and the provider.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// How providers behave when no fault strikes.
    pub profile: Profile,
    /// Random seed.
    pub seed: u64,
    /// Shortest and longest thinking time, in place of the profile's.
    pub think: Option<(Duration, Duration)>,
    /// Thinking times are divided by this.
    pub speed: f64,
    /// The first of these that strikes applies.
    pub faults: Vec<Fault>,
}

/// What a provider will do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// When it answers.
    pub when: When,
    /// What it answers.
    pub intent: Intent,
    /// How the answer goes out.
    pub delivery: ReplyDelivery,
}

/// When an answer goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// This long after the request was received.
    After(Duration),
    /// At this time.
    At(Timestamp),
}

/// What a provider means to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// A price.
    Quote(Price),
    /// A refusal with this reason.
    Decline(String),
    /// No answer, for this reason.
    Silence(String),
    /// Every attempt fails, for this reason.
    Fail(String),
}

impl Decision {
    fn sound(when: When, intent: Intent) -> Self {
        Self { when, intent, delivery: ReplyDelivery::Sound }
    }

    /// The receipt that replaces an answer that cannot wait for its time.
    #[must_use]
    pub(super) fn crowded_out(self) -> Self {
        let intent = Intent::Silence(CROWDED.to_owned());
        Self { when: When::After(Duration::ZERO), intent, ..self }
    }
}

impl Behaviour {
    /// Decides how `provider` answers `request`.
    pub fn decide(
        &self,
        provider: &ProviderName,
        request: &Request,
        received: Timestamp,
    ) -> Decision {
        if self.profile != Profile::Workshop
            && request.deadline.is_some_and(|deadline| received > deadline)
        {
            // A receipt has the lowest rank, so it replaces no earlier answer.
            let receipt = Intent::Silence(RECEIVED_LATE.to_owned());
            return Decision::sound(When::After(Duration::ZERO), receipt);
        }
        let chance = Chance::of(self.seed, provider, request);
        let decision = self.by_profile(&chance, request, received);
        match self.struck(provider, &chance) {
            None => decision,
            Some(kind) => self.by_fault(kind, decision, &chance),
        }
    }

    /// The details of the quote with which `provider` answers `request`.
    pub fn details(&self, provider: &ProviderName, request: &Request) -> Option<Details> {
        let chance = Chance::of(self.seed, provider, request);
        let eta = 1 + below(chance.eta, LONGEST_ETA);
        let vehicles = VEHICLES.len() as u64;
        let vehicle = VEHICLES[usize::try_from(below(chance.vehicle, vehicles)).unwrap_or(0)];
        let details = format!(r#"{{"eta-minutes":{eta},"vehicle":"{vehicle}"}}"#);
        Details::parse(&details).expect("it is JSON")
    }

    /// How many milliseconds `provider`'s clock is fast while it handles `request`; negative for a slow clock.
    pub fn clock(&self, provider: &ProviderName, request: &Request) -> i64 {
        let is_clock = |fault: &Fault| matches!(fault.kind, FaultKind::Clock(_));
        if !self.faults.iter().any(is_clock) {
            return 0;
        }
        match self.struck(provider, &Chance::of(self.seed, provider, request)) {
            Some(FaultKind::Clock(fast)) => *fast,
            _ => 0,
        }
    }

    /// The longest time that a provider thinks.
    pub fn longest_thought(&self) -> Duration {
        let slow = self.faults.iter().filter_map(|fault| match fault.kind {
            FaultKind::Slow(think) => Some(think),
            _ => None,
        });
        let think = self.think.map_or(LONGEST_THOUGHT, |(_, longest)| longest);
        slow.chain([think]).max().unwrap_or_default().div_f64(self.speed)
    }

    /// The first fault that strikes.
    fn struck(&self, provider: &ProviderName, chance: &Chance) -> Option<&FaultKind> {
        let strikes = |(position, fault): &(usize, &Fault)| {
            fault.concerns(provider) && fault.strikes(chance.word_for(*position))
        };
        self.faults.iter().enumerate().find(strikes).map(|(_, fault)| &fault.kind)
    }

    fn by_profile(&self, chance: &Chance, request: &Request, received: Timestamp) -> Decision {
        let at_once = When::After(Duration::ZERO);
        let quote = |low: u64, high: u64| Intent::Quote(Price::whole(chance.price(low, high)));
        match self.profile {
            Profile::Steady => Decision::sound(self.thinking(chance, 0, 0), quote(10, 100)),
            Profile::Workshop => {
                if chance.percent() < 50 {
                    return Decision::sound(at_once, silence());
                }
                let whole = Duration::from_secs(below(chance.think, 61));
                let when = match self.think {
                    Some(_) => self.thinking(chance, 0, 0),
                    None => When::After(whole.div_f64(self.speed)),
                };
                Decision::sound(when, quote(0, 100))
            }
            Profile::Demo => {
                let thinking = self.thinking(chance, 200, 4_000);
                match chance.percent() {
                    0..10 => {
                        let which = usize::try_from(below(chance.price, 3)).unwrap_or(0);
                        Decision::sound(thinking, Intent::Decline(DECLINES[which].to_owned()))
                    }
                    10..20 => Decision::sound(at_once, silence()),
                    20..30 => Decision::sound(at_once, failure()),
                    30..40 => match near_deadline(request, received) {
                        Some(deadline) => {
                            let extra = Duration::from_millis(2_000 + below(chance.extra, 2_001));
                            // The customer's clock set the deadline; the local clock times the wait.
                            let far = received.plus(FAR_DEADLINE);
                            let at = if deadline > far { far } else { deadline.plus(extra) };
                            Decision::sound(When::At(at), quote(1, 9))
                        }
                        None => Decision::sound(thinking, quote(10, 100)),
                    },
                    _ => Decision::sound(thinking, quote(10, 100)),
                }
            }
        }
    }

    fn by_fault(&self, kind: &FaultKind, decision: Decision, chance: &Chance) -> Decision {
        let at_once = When::After(Duration::ZERO);
        let delivered = |delivery| Decision { delivery, ..decision.clone() };
        match kind {
            FaultKind::Decline(why) => {
                Decision { intent: Intent::Decline(why.clone()), ..decision }
            }
            FaultKind::Silent => Decision::sound(at_once, silence()),
            FaultKind::Error => Decision::sound(at_once, failure()),
            FaultKind::Slow(think) => {
                Decision { when: When::After(think.div_f64(self.speed)), ..decision }
            }
            // A wrong clock changes only the times in the reply.
            FaultKind::Clock(_) => decision,
            FaultKind::Poison => delivered(ReplyDelivery::Poison),
            // Above every first price.
            FaultKind::Duplicate => {
                delivered(ReplyDelivery::Twice(Price::whole(101 + below(chance.extra, 100))))
            }
            FaultKind::WrongId => delivered(ReplyDelivery::Astray(chance.id())),
            FaultKind::CrashBeforeSend => delivered(ReplyDelivery::Crash(CrashMoment::BeforeSend)),
            FaultKind::CrashAfterSend => delivered(ReplyDelivery::Crash(CrashMoment::AfterSend)),
        }
    }

    /// A thinking time from `low` to `high` milliseconds, or within `self.think`.
    fn thinking(&self, chance: &Chance, low: u64, high: u64) -> When {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let (low, high) = self.think.map_or((low, high), |(l, h)| (millis(l), millis(h)));
        let think = low + below(chance.think, high.saturating_sub(low).saturating_add(1));
        When::After(Duration::from_millis(think).div_f64(self.speed))
    }
}

fn silence() -> Intent {
    Intent::Silence("not available".to_owned())
}

fn failure() -> Intent {
    Intent::Fail("engine fault".to_owned())
}

/// The deadline, if it is near enough to be missed on purpose. The request's submission time decides, if it has
/// one, so that every delivery gets the same answer.
fn near_deadline(request: &Request, received: Timestamp) -> Option<Timestamp> {
    let since = request.submitted_at.unwrap_or(received);
    request.deadline.filter(|deadline| deadline.saturating_since(since) <= FAR_DEADLINE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{RfqId, Ride};

    fn behaviour(profile: Profile) -> Behaviour {
        Behaviour { profile, seed: 0, think: None, speed: 1.0, faults: Vec::new() }
    }

    fn request(number: usize, deadline: Option<Duration>) -> Request {
        let submitted = Timestamp::from_millis(1_000_000).expect("in range");
        Request {
            id: RfqId::parse(&format!("rfq-{number}")).expect("valid"),
            ride: Ride { from: "A".to_owned(), to: "B".to_owned(), customer: "c".to_owned() },
            submitted_at: Some(submitted),
            deadline: deadline.map(|deadline| submitted.plus(deadline)),
        }
    }

    fn decisions(behaviour: &Behaviour, deadline: Option<Duration>) -> Vec<Decision> {
        let received = Timestamp::from_millis(1_000_100).expect("in range");
        (0..5_000)
            .map(|n| {
                let provider = ProviderName::simulated(n % 10 + 1);
                behaviour.decide(&provider, &request(n, deadline), received)
            })
            .collect()
    }

    fn share(decisions: &[Decision], of: impl Fn(&Decision) -> bool) -> f64 {
        let hits = decisions.iter().filter(|decision| of(decision)).count();
        f64::from(u32::try_from(hits).expect("few")) / 5_000.0
    }

    #[test]
    fn a_request_delivered_again_is_answered_the_same_and_another_seed_differs() {
        let one = decisions(&behaviour(Profile::Demo), Some(Duration::from_secs(15)));
        let again = decisions(&behaviour(Profile::Demo), Some(Duration::from_secs(15)));
        assert_eq!(one, again);
        let other = Behaviour { seed: 1, ..behaviour(Profile::Demo) };
        assert_ne!(one, decisions(&other, Some(Duration::from_secs(15))));
    }

    #[test]
    fn the_chances_are_pinned_down() {
        let received = Timestamp::from_millis(1_000_100).expect("in range");
        let decision = behaviour(Profile::Steady).decide(
            &ProviderName::simulated(1),
            &request(1, None),
            received,
        );
        // Another number here changes every recorded demo: change it only on purpose.
        assert_eq!(decision.intent, Intent::Quote(Price::whole(74)));
        let details = behaviour(Profile::Steady)
            .details(&ProviderName::simulated(1), &request(1, None))
            .expect("some");
        assert_eq!(details.as_str(), r#"{"eta-minutes":21,"vehicle":"unicorn"}"#);
    }

    #[test]
    fn demo_has_its_shares() {
        let all = decisions(&behaviour(Profile::Demo), Some(Duration::from_secs(15)));
        let near = |share: f64| (0.08..0.12).contains(&share);
        assert!(near(share(&all, |d| matches!(d.intent, Intent::Decline(_)))));
        assert!(near(share(&all, |d| matches!(d.intent, Intent::Silence(_)))));
        assert!(near(share(&all, |d| matches!(d.intent, Intent::Fail(_)))));
        assert!(near(share(&all, |d| matches!(d.when, When::At(_)))));
        for decision in &all {
            match (&decision.when, &decision.intent) {
                (When::At(at), Intent::Quote(price)) => {
                    let after = at.as_millis() - 1_015_000;
                    assert!((2_000..=4_000).contains(&after), "{after}");
                    assert!(*price >= Price::whole(1) && *price <= Price::whole(9));
                }
                (When::After(think), Intent::Quote(price)) => {
                    assert!((200..=4_000).contains(&think.as_millis()), "{think:?}");
                    assert!(*price >= Price::whole(10) && *price <= Price::whole(100));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn demo_is_never_late_without_a_near_deadline() {
        for deadline in [None, Some(Duration::from_secs(61))] {
            let all = decisions(&behaviour(Profile::Demo), deadline);
            assert!(all.iter().all(|d| matches!(d.when, When::After(_))));
        }
    }

    #[test]
    fn workshop_is_the_original_and_answers_even_what_comes_too_late() {
        let all = decisions(&behaviour(Profile::Workshop), Some(Duration::ZERO));
        let silent = share(&all, |d| matches!(d.intent, Intent::Silence(_)));
        assert!((0.47..0.53).contains(&silent), "{silent}");
        for decision in all {
            let When::After(think) = decision.when else { panic!("no deadline is aimed at") };
            assert!(think.subsec_nanos() == 0 && think.as_secs() <= 60);
        }
    }

    #[test]
    fn what_is_received_after_its_deadline_leaves_a_receipt_alone() {
        let faults = ["error", "decline:no", "poison"].map(|text| text.parse().expect("valid"));
        for faults in [Vec::new()].into_iter().chain(faults.map(|fault| vec![fault])) {
            for profile in [Profile::Steady, Profile::Demo] {
                let all = decisions(
                    &Behaviour { faults: faults.clone(), ..behaviour(profile) },
                    Some(Duration::ZERO),
                );
                let receipt = Intent::Silence("received after its deadline".into());
                assert!(all.iter().all(|decision| decision.intent == receipt));
                assert!(all.iter().all(|decision| decision.delivery == ReplyDelivery::Sound));
            }
        }
    }

    #[test]
    fn no_customer_s_clock_makes_an_answer_wait_longer_than_a_far_deadline() {
        let received = Timestamp::from_millis(1_000_100).expect("in range");
        let latest = received.plus(FAR_DEADLINE);
        let demo = behaviour(Profile::Demo);
        let times = ["2126-01-01T00:00:00Z", "9999-12-30T21:59:58Z", "9999-12-30T22:00:00Z"];
        let fast = times.iter().filter_map(|time| Timestamp::parse(time));
        for submitted in fast.chain([received.plus(Duration::from_mins(10))]) {
            let mut late = 0;
            for number in 0..1_000 {
                let mut asked = request(number, Some(Duration::from_secs(15)));
                asked.submitted_at = Some(submitted);
                asked.deadline = Some(submitted.plus(Duration::from_secs(15)));
                let provider = ProviderName::simulated(1);
                let decision = demo.decide(&provider, &asked, received);
                if let When::At(at) = decision.when {
                    assert!(at <= latest, "{at} for {submitted}");
                    late += 1;
                }
                // A redelivery during the wait gets the same price.
                let again = demo.decide(&provider, &asked, received.plus(Duration::from_secs(30)));
                assert_eq!(again.intent, decision.intent);
            }
            assert!(late > 50, "{late} of 1,000 for {submitted}");
        }
    }

    #[test]
    fn who_cannot_wait_gives_a_receipt_in_place_of_the_best_price() {
        let all = decisions(&behaviour(Profile::Demo), Some(Duration::from_secs(15)));
        let mut latecomers = 0;
        for decision in all.into_iter().filter(|d| matches!(d.when, When::At(_))) {
            let receipt = decision.crowded_out();
            assert_eq!(receipt.intent, Intent::Silence("too many requests are waiting".into()));
            assert_eq!(receipt.when, When::After(Duration::ZERO));
            latecomers += 1;
        }
        assert!(latecomers > 0);
    }

    #[test]
    fn speed_divides_thinking_but_not_deadlines() {
        let fast = Behaviour { speed: 10.0, ..behaviour(Profile::Demo) };
        let slow = decisions(&behaviour(Profile::Demo), Some(Duration::from_secs(15)));
        for (fast, slow) in decisions(&fast, Some(Duration::from_secs(15))).iter().zip(slow) {
            match (fast.when, slow.when) {
                (When::After(fast), When::After(slow)) => assert_eq!(fast, slow.div_f64(10.0)),
                (fast, slow) => assert_eq!(fast, slow),
            }
        }
    }

    #[test]
    fn faults_of_the_way_leave_the_answer_alone_and_strike_the_same_again() {
        let with = |fault: &str, seed| {
            let faults = vec![fault.parse().expect("valid")];
            decisions(&Behaviour { seed, faults, ..behaviour(Profile::Steady) }, None)
        };
        let sound = decisions(&behaviour(Profile::Steady), None);
        for fault in ["poison", "duplicate", "wrong-id", "crash-before-send", "crash-after-send"] {
            let struck = with(&format!("{fault}@0.3"), 0);
            assert_eq!(struck, with(&format!("{fault}@0.3"), 0));
            let places = |all: &[Decision]| -> Vec<bool> {
                all.iter().map(|decision| decision.delivery != ReplyDelivery::Sound).collect()
            };
            assert_ne!(places(&struck), places(&with(&format!("{fault}@0.3"), 1)));
            let share = share(&struck, |decision| decision.delivery != ReplyDelivery::Sound);
            assert!((0.27..0.33).contains(&share), "{fault}: {share}");
            for (struck, sound) in struck.iter().zip(&sound) {
                assert_eq!((&struck.when, &struck.intent), (&sound.when, &sound.intent));
                if let (ReplyDelivery::Twice(second), Intent::Quote(first)) =
                    (&struck.delivery, &struck.intent)
                {
                    assert!(second > first);
                }
            }
        }
        let ids = with("wrong-id", 0).into_iter().map(|decision| match decision.delivery {
            ReplyDelivery::Astray(id) => id,
            other => panic!("{other:?}"),
        });
        assert_eq!(ids.collect::<std::collections::HashSet<_>>().len(), 5_000);
    }

    #[test]
    fn the_first_fault_that_strikes_counts() {
        let faults = ["UnicornManagementResource3=error", "silent@0.5", "decline:closed today"];
        let faults = faults.map(|text| text.parse().expect("valid")).to_vec();
        let all = decisions(&Behaviour { faults, ..behaviour(Profile::Steady) }, None);
        for (n, decision) in all.iter().enumerate() {
            match decision.intent {
                Intent::Fail(_) => assert_eq!(n % 10 + 1, 3),
                Intent::Silence(_) => {}
                Intent::Decline(ref why) => assert_eq!(why, "closed today"),
                Intent::Quote(_) => panic!("the last fault always strikes"),
            }
        }
        let silent = share(&all, |d| matches!(d.intent, Intent::Silence(_)));
        assert!((0.42..0.48).contains(&silent), "{silent}");
    }
}
