//! The report as a page that stands on its own: no script, and nothing is fetched.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use crate::probe::Latencies;

use super::{
    plot::{Bar, Line, bars, colour, lines},
    report::{Report, Row},
};

const STYLE: &str = include_str!("page.css");

/// Points of a curve; more would not be seen.
const POINTS: usize = 200;

/// The whole page.
pub(super) fn page(report: &Report) -> Result<String, fmt::Error> {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Embedding providers, measured</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>Embedding providers, measured</h1>\n<p>{}</p>\n",
        escaped(&report.task())
    );
    legend(&mut page, report)?;
    table(&mut page, &report.table())?;
    page.push_str("<ul>\n");
    for remark in report.remarks() {
        writeln!(page, "<li>{}</li>", escaped(&remark))?;
    }
    page.push_str("</ul>\n");
    plots(&mut page, report)?;
    page.push_str("</body>\n</html>\n");
    Ok(page)
}

/// Text as HTML has it.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn legend(page: &mut String, report: &Report) -> fmt::Result {
    page.push_str("<p class=\"legend\">\n");
    for (index, row) in report.rows.iter().enumerate() {
        writeln!(
            page,
            "<span><svg width=\"12\" height=\"12\" aria-hidden=\"true\"><rect width=\"12\" height=\"12\" fill=\"{}\"/></svg> {}</span>",
            colour(index),
            escaped(&row.name)
        )?;
    }
    page.push_str("</p>\n");
    Ok(())
}

fn table(page: &mut String, rows: &[Vec<String>]) -> fmt::Result {
    page.push_str("<table>\n");
    for (index, row) in rows.iter().enumerate() {
        page.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let cell = escaped(cell);
            match (index, column) {
                (0, 0) => page.push_str("<td></td>"),
                (0, _) => write!(page, "<th scope=\"col\">{cell}</th>")?,
                (_, 0) => write!(page, "<th scope=\"row\">{cell}</th>")?,
                _ => write!(page, "<td>{cell}</td>")?,
            }
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
    Ok(())
}

fn plots(page: &mut String, report: &Report) -> fmt::Result {
    let rows = &report.rows;
    let of_all = |points: &dyn Fn(&Row) -> Vec<(f64, f64)>| -> Vec<Line> {
        let lines = rows.iter().enumerate().map(|(index, row)| Line {
            name: row.name.clone(),
            colour: colour(index),
            points: points(row),
        });
        lines.filter(|line| !line.points.is_empty()).collect()
    };
    let curves = of_all(&|row| curve(&row.figures.latencies));
    page.push_str(&lines(
        "Latency by percentile, in milliseconds",
        &curves,
        &NINES,
    )?);
    let courses = of_all(&course);
    page.push_str(&lines(
        "Median latency during the measurement, in milliseconds, over seconds",
        &courses,
        &[],
    )?);
    let bar = |index: usize, row: &Row, value: Option<f64>| {
        Some(Bar {
            name: row.name.clone(),
            colour: colour(index),
            value: value?,
        })
    };
    let of_all = |value: &dyn Fn(&Row) -> Option<f64>| -> Vec<Bar> {
        let rows = rows.iter().enumerate();
        rows.filter_map(|(index, row)| bar(index, row, value(row)))
            .collect()
    };
    let rates = of_all(&|row| row.figures.tokens_per_second);
    page.push_str(&bars("Tokens a second", &rates, None)?);
    let shares = of_all(&|row| Some(row.quality?.agreement * 100.0));
    let title = format!("Neighbours shared with {}, in percent", report.reference);
    page.push_str(&bars(&title, &shares, Some(100.0))?);
    Ok(())
}

/// Where the horizontal axis of percentiles is marked: each nine takes as much room.
const NINES: [(f64, &str); 5] = [
    (0.0, "0"),
    (std::f64::consts::LOG10_2, "50"),
    (1.0, "90"),
    (2.0, "99"),
    (3.0, "99.9"),
];

/// Latencies in milliseconds over the nines of their percentile, up to the last that was measured.
fn curve(latencies: &Latencies) -> Vec<(f64, f64)> {
    let count = latencies.count();
    // The last percentile that is not the longest latency of all.
    let last = (count.max(2) as f64).log10().min(3.0);
    let at = |step: usize| {
        let nines = last * step as f64 / POINTS as f64;
        let percent = 100.0 * (1.0 - 10_f64.powf(-nines));
        let latency = latencies.percentile(percent)?;
        Some((nines, milliseconds(latency)))
    };
    (0..=POINTS).filter_map(at).collect()
}

/// The median latency in each of some slices of the time, over the slice's middle.
fn course(row: &Row) -> Vec<(f64, f64)> {
    const SLICES: usize = 60;
    let whole = row.measured.elapsed.as_secs_f64();
    let mut slices: Vec<Vec<Duration>> = vec![Vec::new(); SLICES];
    for answered in &row.measured.answered {
        let share = answered.at.as_secs_f64() / whole;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of the slices"
        )]
        let index = ((share * SLICES as f64) as usize).min(SLICES - 1);
        if let Some(slice) = slices.get_mut(index) {
            slice.push(answered.latency);
        }
    }
    let middle = |index: usize| whole * (index as f64 + 0.5) / SLICES as f64;
    let points = slices.into_iter().enumerate();
    points
        .filter_map(|(index, slice)| {
            let median = Latencies::from_iter(slice).percentile(50.0)?;
            Some((middle(index), milliseconds(median)))
        })
        .collect()
}

fn milliseconds(latency: Duration) -> f64 {
    latency.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_provider_says_becomes_markup() {
        assert_eq!(
            escaped("<b a=\"1\">R&D</b>"),
            "&lt;b a=&quot;1&quot;&gt;R&amp;D&lt;/b&gt;"
        );
    }

    #[test]
    fn the_curve_goes_as_far_as_was_measured() {
        let latencies: Latencies = (1..=100).map(Duration::from_millis).collect();
        let curve = curve(&latencies);
        assert_eq!(curve.first(), Some(&(0.0, 1.0)));
        assert!(curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
        let (nines, latency) = curve.last().copied().unwrap_or_default();
        assert!(
            (nines - 2.0).abs() < 1e-9 && latency >= 99.0,
            "{nines} {latency}"
        );
        assert!(super::curve(&Latencies::default()).is_empty());
    }
}
