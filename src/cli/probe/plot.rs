//! Plots as SVG.

use std::fmt::{self, Write as _};

use crate::cost::grouped;

use super::html::escaped;

/// A curve.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) colour: &'static str,
    /// From left to right.
    pub(super) points: Vec<(f64, f64)>,
}

/// A value.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) colour: &'static str,
    pub(super) value: f64,
}

/// The colour of the provider at this position: of Okabe and Ito, which colour-blind people can tell apart.
pub(super) fn colour(index: usize) -> &'static str {
    const COLOURS: [&str; 7] = [
        "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f",
    ];
    COLOURS
        .iter()
        .cycle()
        .nth(index)
        .copied()
        .unwrap_or("#7f7f7f")
}

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 30.0;
const MARGIN: f64 = 10.0;
/// Room for half of the last mark.
const RIGHT: f64 = 24.0;

/// Curves over one horizontal axis, which is marked at `marks`, or evenly where there are none. Nothing
/// without curves.
pub(super) fn lines(
    title: &str,
    lines: &[Line],
    marks: &[(f64, &str)],
) -> Result<String, fmt::Error> {
    if lines.is_empty() {
        return Ok(String::new());
    }
    let points = || lines.iter().flat_map(|line| &line.points);
    let right = largest(points().map(|point| point.0));
    let top = largest(points().map(|point| point.1)) * 1.05;
    let x = |value: f64| LEFT + value / right * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - MARGIN);
    let mut svg = begin(title, HEIGHT)?;
    for tick in ticks(top) {
        let at = y(tick);
        writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0,
            number(tick),
        )?;
    }
    let marks: Vec<(f64, String)> = if marks.is_empty() {
        let ticks = ticks(right).into_iter();
        ticks.map(|tick| (tick, number(tick))).collect()
    } else {
        let marks = marks.iter().filter(|(at, _)| *at <= right);
        marks.map(|(at, mark)| (*at, (*mark).to_owned())).collect()
    };
    for (at, mark) in marks {
        writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{mark}</text>",
            x(at),
            HEIGHT - MARGIN,
        )?;
    }
    for line in lines {
        write!(svg, "<polyline stroke=\"{}\" points=\"", line.colour)?;
        for (at, value) in &line.points {
            write!(svg, "{:.1},{:.1} ", x(*at), y(*value))?;
        }
        writeln!(svg, "\"><title>{}</title></polyline>", escaped(&line.name))?;
    }
    svg.push_str(END);
    Ok(svg)
}

/// Bars from zero to the largest, or to `most`. Nothing without bars.
pub(super) fn bars(title: &str, bars: &[Bar], most: Option<f64>) -> Result<String, fmt::Error> {
    const ROW: f64 = 26.0;
    const NAMES: f64 = 180.0;
    const VALUES: f64 = 90.0;
    if bars.is_empty() {
        return Ok(String::new());
    }
    let most = most.unwrap_or_else(|| largest(bars.iter().map(|bar| bar.value)));
    let mut svg = begin(title, ROW * bars.len() as f64)?;
    for (row, bar) in bars.iter().enumerate() {
        let top = ROW * row as f64;
        let width = bar.value / most * (WIDTH - NAMES - VALUES);
        let name: String = bar.name.chars().take(26).collect();
        writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{NAMES}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            NAMES - 8.0,
            top + 17.0,
            escaped(&name),
            top + 3.0,
            ROW - 6.0,
            bar.colour,
            NAMES + width + 8.0,
            top + 17.0,
            number(bar.value),
        )?;
    }
    svg.push_str(END);
    Ok(svg)
}

const END: &str = "</svg>\n</figure>\n";

fn begin(title: &str, height: f64) -> Result<String, fmt::Error> {
    let mut svg = String::new();
    let title = escaped(title);
    writeln!(
        svg,
        "<figure>\n<figcaption>{title}</figcaption>\n\
         <svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">"
    )?;
    Ok(svg)
}

/// The largest, and never nothing to divide by.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::MIN_POSITIVE, f64::max)
}

/// Round numbers from zero to `most`, three to seven of them.
fn ticks(most: f64) -> Vec<f64> {
    let magnitude = 10_f64.powf((most / 6.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * magnitude);
    let step = steps
        .into_iter()
        .find(|step| most / step <= 6.0)
        .unwrap_or(most);
    let ticks = (0..7_u8).map(|count| f64::from(count) * step);
    ticks.take_while(|tick| *tick <= most).collect()
}

/// Without decimals that say nothing.
fn number(value: f64) -> String {
    if value >= 1_000.0 {
        return grouped(format!("{value:.0}"));
    }
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn axes_are_marked_at_round_numbers() {
        assert_eq!(ticks(100.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(7.3), [0.0, 2.0, 4.0, 6.0]);
        assert_eq!(
            [number(12_345.0), number(2.50), number(0.0)],
            ["12,345", "2.5", "0"]
        );
    }

    #[test]
    fn names_are_escaped_wherever_they_stand() {
        let line = Line {
            name: "<R&D>".into(),
            colour: colour(0),
            points: vec![(0.0, 1.0), (1.0, 2.0)],
        };
        let bar = Bar {
            name: "<R&D>".into(),
            colour: colour(9),
            value: 3.0,
        };
        let svg = lines("<title>", &[line], &[]).unwrap() + &bars("<title>", &[bar], None).unwrap();
        assert!(
            !svg.contains("<R&D>") && !svg.contains("<title></"),
            "{svg}"
        );
        assert_eq!(svg.matches("&lt;R&amp;D&gt;").count(), 2, "{svg}");
    }

    #[test]
    fn of_nothing_there_is_no_plot() {
        assert_eq!(lines("nothing", &[], &[]).unwrap(), "");
        assert_eq!(bars("nothing", &[], None).unwrap(), "");
    }

    proptest! {
        #[test]
        fn any_axis_has_some_marks_and_none_beyond_its_end(most in 1e-6..1e12_f64) {
            let ticks = ticks(most);
            prop_assert!((3..=7).contains(&ticks.len()), "{ticks:?}");
            prop_assert!(ticks.iter().all(|tick| *tick <= most));
        }
    }
}
