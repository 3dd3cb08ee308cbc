//! What one key of the configuration is tried with: `8`, `low,medium,high`, `600..1200:100`, `6..12`.

use std::str::FromStr;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

/// Values that a range may spell out.
const VALUES_MAX: u64 = 1_000;
/// More decimals than a bound has, in what is drawn between two of which one has any.
const DECIMALS_MORE: usize = 2;

/// The values of one key.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Listed(Vec<String>),
    /// Anything from low to high, both included; for drawing only. Whole numbers between whole numbers.
    Between {
        low: f64,
        high: f64,
        decimals: usize,
    },
}

impl FromStr for Values {
    type Err = String;

    /// `LOW..HIGH:STEP` is LOW, LOW + STEP and so on up to HIGH; `LOW..HIGH` is a range to draw from; what has no `..`
    /// is a list with commas between.
    fn from_str(text: &str) -> Result<Values, String> {
        let text = text.trim();
        if let Some((low, rest)) = text.split_once("..") {
            let (high, step) = rest.split_once(':').map_or((rest, None), |(high, step)| (high, Some(step)));
            let range = (number(low), number(high), step.map(number));
            return match range {
                (Some(low), Some(high), None) => between(low, high),
                (Some(low), Some(high), Some(Some(step))) => stepped(low, high, step),
                _ => Err(format!("`{text}` is no range; write LOW..HIGH or LOW..HIGH:STEP in numbers")),
            };
        }
        let values: Vec<String> = text.split(',').map(|value| value.trim().to_owned()).collect();
        if values.iter().any(String::is_empty) {
            return Err(format!("`{text}` has an empty value"));
        }
        Ok(Values::Listed(values))
    }
}

impl Values {
    /// One of them, each as likely as another.
    pub fn draw(&self, random: &mut ChaCha8Rng) -> String {
        match self {
            Values::Listed(values) => values[random.random_range(0..values.len())].clone(),
            Values::Between { low, high, decimals: 0 } => {
                (random.random_range(*low as i64..=*high as i64)).to_string()
            }
            Values::Between { low, high, decimals } => {
                let decimals = decimals + DECIMALS_MORE;
                format!("{:.decimals$}", random.random_range(*low..=*high))
            }
        }
    }
}

/// A decimal number and how many decimals it is written with.
#[derive(Clone, Copy)]
struct Decimal {
    value: f64,
    decimals: usize,
}

fn number(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let value = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    // `1e3` and the like parse, but have no decimals to count.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
    is_plain.then(|| Decimal { value, decimals: text.split_once('.').map_or(0, |(_, decimals)| decimals.len()) })
}

fn between(low: Decimal, high: Decimal) -> Result<Values, String> {
    if low.value >= high.value {
        return Err(format!("`{}..{}` is empty: the lower bound comes first", low.value, high.value));
    }
    Ok(Values::Between { low: low.value, high: high.value, decimals: low.decimals.max(high.decimals) })
}

fn stepped(low: Decimal, high: Decimal, step: Decimal) -> Result<Values, String> {
    let shown = || format!("{}..{}:{}", low.value, high.value, step.value);
    if low.value > high.value || step.value <= 0.0 {
        return Err(format!("`{}` is empty: the lower bound comes first, and the step is above 0", shown()));
    }
    // A step that meets the upper bound must not be lost to the last bit of a quotient.
    let steps = ((high.value - low.value) / step.value + 1e-9).floor();
    if steps >= VALUES_MAX as f64 {
        return Err(format!("`{}` has more than {VALUES_MAX} values", shown()));
    }
    let decimals = low.decimals.max(step.decimals);
    let value = |index: u64| format!("{:.decimals$}", low.value + index as f64 * step.value);
    Ok(Values::Listed((0..=steps as u64).map(value).collect()))
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn listed(text: &str) -> Vec<String> {
        match text.parse() {
            Ok(Values::Listed(values)) => values,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lists_and_steps_are_spelt_out() {
        assert_eq!(listed("600..1200:300"), ["600", "900", "1200"]);
        assert_eq!(listed("600..1000:300"), ["600", "900"]);
        assert_eq!(listed("0.1..0.5:0.2"), ["0.1", "0.3", "0.5"]);
        assert_eq!(listed("-1..1:1"), ["-1", "0", "1"]);
        assert_eq!(listed("7..7:1"), ["7"]);
        assert_eq!(listed(" low , high"), ["low", "high"]);
        assert_eq!(listed("8"), ["8"]);
    }

    #[test]
    fn what_is_no_range_is_told() {
        for (text, told) in [
            ("1200..600:100", "the lower bound comes first"),
            ("600..1200:0", "the step is above 0"),
            ("600..1200:-5", "the step is above 0"),
            ("9..6", "the lower bound comes first"),
            ("0..1000000:1", "more than 1000 values"),
            ("a..b", "no range"),
            ("1..b:2", "no range"),
            ("1..inf", "no range"),
            ("1e3..2e3:100", "no range"),
            ("1,,2", "an empty value"),
            ("", "an empty value"),
        ] {
            let error = text.parse::<Values>().expect_err(text);
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn draws_stay_in_bounds_and_keep_to_the_kind_of_number() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let (whole, real): (Values, Values) = ("5..7".parse().expect("range"), "0.5..1".parse().expect("range"));
        for _ in 0..200 {
            let drawn: i64 = whole.draw(&mut random).parse().expect("a whole number");
            assert!((5..=7).contains(&drawn));
            let drawn = real.draw(&mut random);
            assert_eq!(drawn.len(), "0.123".len(), "{drawn}");
            assert!((0.5..=1.0).contains(&drawn.parse::<f64>().expect("a number")));
        }
    }
}
