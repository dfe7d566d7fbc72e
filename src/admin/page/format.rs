//! Numbers, as people read them at a glance.

use minijinja::{Environment, Value};

use crate::cost::Money;

/// Makes them known to the template.
pub(super) fn add_filters(templates: &mut Environment<'_>) {
    templates.add_filter("count", |value: f64| count(value));
    templates.add_filter("rate", |value: f64| rate(value));
    templates.add_filter("bytes", |value: f64| bytes(value));
    templates.add_filter("seconds", |value: Value| match f64::try_from(value) {
        Ok(value) => seconds(value),
        Err(_) => "–".to_owned(),
    });
    templates.add_filter("dollars", |value: f64| {
        Money::from_dollars(value).map_or_else(|| "–".to_owned(), |money| money.to_string())
    });
    templates.add_filter("percent", |value: f64| format!("{:.0} %", value * 100.0));
    templates.add_filter("uptime", uptime);
    templates.add_filter("points", |values: Vec<f64>, width: f64, height: f64| {
        points(&values, width, height)
    });
    templates.add_filter("highest", |values: Vec<f64>| {
        values.into_iter().fold(0.0, f64::max)
    });
}

/// `12,345`: whole, with its thousands apart.
fn count(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    if value < 0.0 {
        text.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `12,345`, `12` or `1.2`: a digit behind the point where it matters.
fn rate(value: f64) -> String {
    if value == 0.0 || value >= 10.0 {
        count(value)
    } else if value < 0.1 {
        "< 0.1".to_owned()
    } else {
        format!("{value:.1}")
    }
}

/// `640 B`, `1.5 KiB`.
fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut units) = (value, UNITS.iter());
    let mut unit = units.next();
    while value >= 1024.0
        && let Some(larger) = units.next()
    {
        value /= 1024.0;
        unit = Some(larger);
    }
    let unit = unit.unwrap_or(&"B");
    if *unit == "B" || value >= 100.0 {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// `7 ms`, `1.4 s`, `3 min`.
fn seconds(value: f64) -> String {
    if value < 0.0095 {
        format!("{:.1} ms", value * 1e3)
    } else if value < 0.9995 {
        format!("{:.0} ms", value * 1e3)
    } else if value < 120.0 {
        format!("{value:.1} s")
    } else {
        format!("{:.0} min", value / 60.0)
    }
}

/// `3 d 4 h`, `4 h 12 min`, `12 min`, `40 s`.
fn uptime(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if days > 0 {
        format!("{days} d {} h", hours % 24)
    } else if hours > 0 {
        format!("{hours} h {} min", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes} min")
    } else {
        format!("{seconds} s")
    }
}

/// The corners of a line through the values, as SVG has them: evenly spaced, the last one on the
/// right, the highest on top.
fn points(values: &[f64], width: f64, height: f64) -> String {
    const SECONDS: f64 = 59.0;
    let highest = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let first = SECONDS - (values.len().saturating_sub(1)) as f64;
    let corners = values.iter().enumerate().map(|(place, value)| {
        let x = (first + place as f64) * width / SECONDS;
        let y = height - value / highest * height;
        format!("{x:.1},{y:.1}")
    });
    corners.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_at_a_glance() {
        assert_eq!(count(1_234_567.0), "1,234,567");
        assert_eq!(count(-1_234.0), "-1,234");
        assert_eq!(count(999.0), "999");
        assert_eq!(rate(0.0), "0");
        assert_eq!(rate(0.02), "< 0.1");
        assert_eq!(rate(1.25), "1.2");
        assert_eq!(rate(12_345.6), "12,346");
        assert_eq!(bytes(640.0), "640 B");
        assert_eq!(bytes(1_536.0), "1.5 KiB");
        assert_eq!(bytes(268_435_456.0), "256 MiB");
        assert_eq!(seconds(0.0071), "7.1 ms");
        assert_eq!(seconds(0.25), "250 ms");
        assert_eq!(seconds(1.4), "1.4 s");
        assert_eq!(seconds(1_800.0), "30 min");
        assert_eq!(uptime(40), "40 s");
        assert_eq!(uptime(4 * 3_600 + 12 * 60), "4 h 12 min");
        assert_eq!(uptime(3 * 86_400 + 4 * 3_600), "3 d 4 h");
    }

    #[test]
    fn a_line_ends_on_the_right_and_reaches_the_top() {
        assert_eq!(
            points(&[0.0, 5.0, 10.0], 59.0, 20.0),
            "57.0,20.0 58.0,10.0 59.0,0.0"
        );
        assert_eq!(points(&[0.0], 59.0, 20.0), "59.0,20.0");
        assert_eq!(points(&[], 59.0, 20.0), "");
    }
}
