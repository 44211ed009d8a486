//! What the advice looks like, in the terminal and as a picture.

use insta::assert_snapshot;
use rydes::core::history::{Advice, Market};
use rydes::view::advise::{headline, lines, unknowns};
use rydes::view::picture::curve;

use crate::aggregate::sheet::{Said, Sheet};
use crate::support::toned;

/// A number from 0 to `below`, another one for each pair.
fn spread(number: i64, who: i64, below: i64) -> i64 {
    (number * 7_919 + who * 104_729 + number * number * 31 * (who + 3)) % 10_007 * below / 10_007
}

/// RFQs with a deadline of 15 s that four providers answer within some seconds, and a fifth seldom.
fn ordinary(deadline: i64, count: i64) -> Market {
    let mut market = Market::default();
    for number in 0..count {
        let mut sheet = Sheet::expecting(&[0, 1, 2, 3, 4]).deadline(deadline);
        for who in 0..4_usize {
            let at = 200 + spread(number, i64::try_from(who).expect("few"), 4_000);
            let cents = 1_000 + spread(number, 9 - i64::try_from(who).expect("few"), 9_000);
            sheet = sheet.row(who, Said::Quote(cents.unsigned_abs()), at);
        }
        sheet = match number % 10 {
            0 => sheet.row(4, Said::Quote(500), 16_000),
            1..5 => sheet.row(4, Said::Declined, 700),
            _ => sheet,
        };
        market.add(&sheet.rows());
    }
    market
}

fn shown(advice: &Advice) -> String {
    let widths = [120, 80, 50].map(|width| {
        let lines = lines(advice, Some(width));

        format!("{width} columns\n{}", toned(&lines, Some(width)))
    });
    widths.join("\n\n")
}

#[test]
fn a_shorter_deadline_is_enough() {
    assert_snapshot!(shown(&Advice::of(ordinary(15_000, 500), 0.9)));
}

#[test]
fn todays_deadline_is_too_short() {
    assert_snapshot!(shown(&Advice::of(ordinary(1_500, 500), 0.9)));
}

#[test]
fn the_headline_fits_every_market() {
    let said = |market, keep| headline(&Advice::of(market, keep)).text;
    let mut all = vec![said(Market::default(), 0.95)];
    let mut declined = Market::default();
    declined.add(&Sheet::expecting(&[0]).deadline(500).row(0, Said::Declined, 40).rows());
    all.push(said(declined, 0.95));
    let mut quick = Market::default();
    quick.add(&Sheet::expecting(&[0]).deadline(15_000).row(0, Said::Quote(9), 400).rows());
    all.push(said(quick.clone(), 0.95));
    quick.add(&Sheet::expecting(&[0]).deadline(2_000).row(0, Said::Quote(9), 700).rows());
    all.push(said(quick, 0.95));
    let mut days = Market::default();
    days.add(&Sheet::expecting(&[0]).deadline(500).row(0, Said::Quote(9), 400_000_000).rows());
    all.push(said(days, 0.995));
    all.push(said(ordinary(4_200, 100), 0.9));
    all.push(said(ordinary(1_000, 100), 0.9));
    all.push(said(ordinary(20_000, 100), 0.9));
    all.push(said(ordinary(15_000, 100), 0.85));
    assert_snapshot!(all.join("\n"));
}

#[test]
fn what_cannot_be_known_is_said() {
    let mut market = Market::default();
    let sheet = Sheet::expecting(&[0, 1]).deadline(1_000).row(0, Said::Quote(700), 400);
    market.add(&sheet.clone().row(1, Said::Silent, 1_200).rows());
    market.add(&sheet.closed(600).rows());
    assert_snapshot!(unknowns(&Advice::of(market, 0.95)).join("\n"));
}

#[test]
fn the_curve_is_drawn() {
    let picture = curve(&Advice::of(ordinary(15_000, 500), 0.9)).expect("it is drawn");
    if let Some(folder) = std::env::var_os("RYDES_TEST_PICTURES") {
        let file = std::path::Path::new(&folder).join("curve.svg");
        std::fs::write(file, &picture).expect("it can be written");
    }
    assert!(picture.starts_with("<svg ") && picture.contains("prefers-color-scheme: dark"));
    assert!(picture.contains("15 s today") && picture.contains("advised"), "{picture}");
    assert!(!picture.contains("x=\"-") && !picture.contains("NaN"), "{picture}");
    for market in [Market::default(), ordinary(15_000, 1), ordinary(10, 3)] {
        let picture = curve(&Advice::of(market, 0.95)).expect("it is drawn");
        assert!(picture.ends_with("</svg>\n") && !picture.contains("NaN"), "{picture}");
    }
}
