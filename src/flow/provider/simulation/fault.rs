//! Injected faults, written `[NAME=]KIND[@P][:ARG]`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::chance::below;
use crate::core::{ProviderName, nearest, parse_duration};

/// Chances are counted in millionths.
const WHOLE: u64 = 1_000_000;

/// A fault that strikes some or all requests of one or all providers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `None` for all providers.
    pub provider: Option<ProviderName>,
    /// What happens.
    pub kind: FaultKind,
    /// In millionths.
    chance: u64,
}

/// What happens when a fault strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// It declines with this reason.
    Decline(String),
    /// It stays silent.
    Silent,
    /// Every attempt fails.
    Error,
    /// It thinks for this long.
    Slow(Duration),
    /// Its clock is this many milliseconds fast; negative for a slow clock.
    Clock(i64),
    /// It sends a body that is not JSON instead of its answer.
    Poison,
    /// It answers twice, with different prices.
    Duplicate,
    /// It answers to an id that belongs to no RFQ.
    WrongId,
    /// Its worker crashes before it sends the reply, on the first delivery of the request.
    CrashBeforeSend,
    /// Its worker crashes between sending the answer and deleting the request, on the first delivery.
    CrashAfterSend,
}

/// The kinds that take no argument.
const PLAIN: [(&str, FaultKind); 7] = [
    ("silent", FaultKind::Silent),
    ("error", FaultKind::Error),
    ("poison", FaultKind::Poison),
    ("duplicate", FaultKind::Duplicate),
    ("wrong-id", FaultKind::WrongId),
    ("crash-before-send", FaultKind::CrashBeforeSend),
    ("crash-after-send", FaultKind::CrashAfterSend),
];

/// Each kind as it is typed, and what the provider does. A final colon means that an argument follows.
pub const KINDS: [(&str, &str); 10] = [
    ("decline:", "declines with this reason"),
    ("silent", "sends a receipt and no answer"),
    ("error", "fails at every attempt"),
    ("slow:", "thinks for this time"),
    ("clock:", "its clock is fast, or slow"),
    ("poison", "sends a body that is not JSON"),
    ("duplicate", "answers twice, the second time at a higher price"),
    ("wrong-id", "answers to an id that belongs to no RFQ"),
    ("crash-before-send", "its worker dies once before it sends the reply"),
    ("crash-after-send", "its worker dies once after it has sent the reply"),
];

impl Fault {
    pub(super) fn concerns(&self, provider: &ProviderName) -> bool {
        self.provider.as_ref().is_none_or(|only| only == provider)
    }

    /// Whether this random word makes it strike.
    pub(super) fn strikes(&self, word: u64) -> bool {
        below(word, WHOLE) < self.chance
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(provider) = &self.provider {
            write!(f, "{provider}=")?;
        }
        let plain = PLAIN.iter().find(|(_, kind)| *kind == self.kind).map(|(name, _)| *name);
        let (name, argument) = match (&self.kind, plain) {
            (FaultKind::Decline(reason), _) => ("decline", Some(reason.clone())),
            (FaultKind::Slow(think), _) => ("slow", Some(written(*think))),
            (FaultKind::Clock(fast), _) => {
                let sign = if *fast < 0 { '-' } else { '+' };
                let off = written(Duration::from_millis(fast.unsigned_abs()));
                ("clock", Some(format!("{sign}{off}")))
            }
            (_, plain) => (plain.unwrap_or_default(), None),
        };
        f.write_str(name)?;
        if self.chance < WHOLE {
            let chance = format!("0.{:06}", self.chance);
            write!(f, "@{}", chance.trim_end_matches('0').trim_end_matches('.'))?;
        }
        argument.map_or(Ok(()), |argument| write!(f, ":{argument}"))
    }
}

/// A duration as it is typed, in the largest unit that is exact.
fn written(duration: Duration) -> String {
    match (duration.as_nanos(), duration.subsec_nanos()) {
        (_, 0) => match duration.as_secs() {
            hours if hours > 0 && hours % 3_600 == 0 => format!("{}h", hours / 3_600),
            minutes if minutes > 0 && minutes % 60 == 0 => format!("{}m", minutes / 60),
            seconds => format!("{seconds}s"),
        },
        (nanos, part) if part % 1_000_000 == 0 => format!("{}ms", nanos / 1_000_000),
        (nanos, _) => format!("{nanos}ns"),
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (head, argument) = match text.split_once(':') {
            Some((head, argument)) => (head, Some(argument)),
            None => (text, None),
        };
        let (provider, head) = match head.split_once('=') {
            Some((name, head)) => (Some(ProviderName::parse(name)?), head),
            None => (None, head),
        };
        let (kind, chance) = match head.split_once('@') {
            Some((kind, chance)) => (kind, parse_chance(chance)?),
            None => (head, WHOLE),
        };
        let kind = match (kind, argument) {
            ("decline", Some(reason)) if !reason.trim().is_empty() && reason.len() <= 1_024 => {
                FaultKind::Decline(reason.trim().to_owned())
            }
            ("decline", Some(reason)) if !reason.trim().is_empty() => {
                return Err("a reason has at most 1024 bytes".into());
            }
            ("decline", _) => return Err("`decline` needs a reason: `decline:fully booked`".into()),
            ("slow", Some(think)) => FaultKind::Slow(parse_duration(think)?),
            ("clock", Some(off)) => FaultKind::Clock(parse_clock(off)?),
            ("clock", None) => return Err("`clock` needs a time: `clock:+5m`, `clock:-90s`".into()),
            ("slow", None) => return Err("`slow` needs a time: `slow:20s`".into()),
            _ => match (PLAIN.iter().find(|(name, _)| *name == kind), argument) {
                (Some((_, plain)), None) => plain.clone(),
                (Some(_), Some(_)) => return Err(format!("`{kind}` takes no argument")),
                (None, _) => return Err(no_kind(kind)),
            },
        };
        Ok(Self { provider, kind, chance })
    }
}

/// Names the kinds that there are.
fn no_kind(typed: &str) -> String {
    let shown = KINDS.iter().map(|(kind, _)| match kind.strip_suffix(':') {
        Some("decline") => "decline:REASON".to_owned(),
        Some(kind) => format!("{kind}:TIME"),
        None => (*kind).to_owned(),
    });
    let shown: Vec<_> = shown.collect();
    if typed.is_empty() {
        return format!("a fault has a kind; the kinds are {}", shown.join(", "));
    }
    let is_word = typed.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
    let kinds = || KINDS.iter().map(|(kind, _)| kind.trim_end_matches(':'));
    let near = if is_word { nearest(typed, kinds()) } else { None };
    match near.and_then(|near| kinds().position(|kind| kind == near)) {
        Some(at) => format!("there is no such kind; write `{}`", shown[at]),
        None => format!("there is no such kind; the kinds are {}", shown.join(", ")),
    }
}

/// A duration with or without a sign, in milliseconds.
fn parse_clock(text: &str) -> Result<i64, String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.starts_with(['+', '-']) {
        return Err("`clock` takes one time and at most one sign, as in `clock:+5m`".to_owned());
    }
    let millis = i64::try_from(parse_duration(unsigned)?.as_millis()).unwrap_or(i64::MAX);
    Ok(if text.starts_with('-') { -millis } else { millis })
}

/// A chance between 0 and 1, in millionths.
fn parse_chance(text: &str) -> Result<u64, String> {
    let bad = || "a chance is a number from 0 to 1, as in `silent@0.1`".to_owned();
    let chance: f64 = text.parse().map_err(|_| bad())?;
    if !(0.0..=1.0).contains(&chance) {
        return Err(bad());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "from 0 to a million"
    )]
    Ok((chance * WHOLE as f64).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_one_language() {
        let fault: Fault = "acme=slow@0.25:20s".parse().expect("valid");
        assert_eq!(fault.provider.as_ref().map(ProviderName::as_str), Some("acme"));
        assert_eq!(fault.kind, FaultKind::Slow(Duration::from_secs(20)));
        assert_eq!(fault.chance, 250_000);
        let fault: Fault = "decline:a=b@c:d".parse().expect("valid");
        assert_eq!(fault.kind, FaultKind::Decline("a=b@c:d".into()));
        assert!(fault.strikes(u64::MAX));
        for (name, kind) in PLAIN {
            let fault: Fault = format!("acme={name}@0.5").parse().expect("valid");
            assert_eq!((fault.kind, fault.chance), (kind, 500_000));
        }
    }

    #[test]
    fn every_kind_is_listed() {
        let listed = |name: &str| KINDS.iter().any(|(kind, _)| *kind == name);
        assert!(PLAIN.iter().all(|(name, _)| listed(name)));
        for (kind, _) in KINDS {
            let text = if kind.ends_with(':') { format!("{kind}5m") } else { kind.to_owned() };
            assert!(text.parse::<Fault>().is_ok(), "{text}");
        }
        // `decline`, `slow` and `clock` take an argument.
        assert_eq!(KINDS.len(), PLAIN.len() + 3);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "acme=slow@0.25:20s",
            "decline:a=b@c:d",
            "silent@0.000001",
            "x=crash-after-send@1",
            "poison@0",
            "slow:1.5ms",
            "clock:5m",
            "a=clock@0.5:-90s",
            "clock:+1ms",
            "clock:0",
        ] {
            let fault: Fault = text.parse().expect("valid");
            assert_eq!(fault.to_string().parse(), Ok(fault), "{text}");
        }
    }

    #[test]
    fn times_are_written_as_they_are_typed() {
        for text in [
            "clock:+5m",
            "clock:-90s",
            "clock:+1ms",
            "a=clock@0.5:-2h",
            "slow:20s",
            "slow:250ms",
            "slow:1m",
        ] {
            let fault: Fault = text.parse().expect("valid");
            assert_eq!(fault.to_string(), text);
        }
    }

    #[test]
    fn an_unknown_kind_is_answered_with_those_that_there_are() {
        for bad in ["fast", "acme=fast@0.1", "", "slow1:2s", "crash"] {
            let problem = bad.parse::<Fault>().expect_err(bad);
            assert!(KINDS.iter().all(|(kind, _)| problem.contains(kind)), "{problem}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for bad in [
            "",
            "fast",
            "slow",
            "slow:x",
            "decline",
            "decline: ",
            "silent@2",
            "silent@-1",
            "silent@x",
            "silent:x",
            "error:x",
            "poison:x",
            "clock",
            "clock:--5m",
            "clock:+-5m",
            "clock:-+5m",
            "crash",
            "a-b=silent",
            "=silent",
            "silent@NaN",
        ] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }
}
