//! How two indexes stand to each other, for people and for programs.

use std::fmt::{self, Write as _};

use serde_json::{Value as Json, json};

use crate::{
    cli::layout::{
        self,
        Side::{Left, Right},
    },
    cost::{Money, grouped},
};

use super::standing::{Side, Standing};

const SIDES: [layout::Side; 6] = [Left, Left, Right, Left, Right, Left];

/// A line an index, then what else there is to know.
pub(super) fn to_text(standing: &Standing, obstacles: &[String]) -> Result<String, fmt::Error> {
    let Standing {
        alias,
        meaning,
        current,
        next,
        sampled,
        missing,
        agreement,
        left,
    } = standing;
    let mut text = String::new();
    let line = |name: &str, side: &Side| {
        let is_meant = meaning.as_deref() == Some(&side.collection);
        vec![
            name.to_owned(),
            side.collection.clone(),
            grouped(side.rows),
            side.group.clone(),
            grouped(side.lag),
            if is_meant {
                alias.clone()
            } else {
                String::new()
            },
        ]
    };
    let head = ["", "collection", "rows", "group", "records behind", "alias"];
    let lines = [
        head.map(str::to_owned).to_vec(),
        line("current", current),
        line("next", next),
    ];
    layout::table(&mut text, "", &SIDES, &lines)?;
    writeln!(
        text,
        "\nOf {} rows, {} are missing in {}",
        grouped(sampled),
        grouped(missing),
        next.collection
    )?;
    if let Some(agreement) = agreement {
        writeln!(
            text,
            "Of their nearest neighbours {:.1} % are the same",
            agreement * 100.0
        )?;
    }
    match left {
        Some(left) if left.tokens > 0 => {
            let tokens = grouped(left.tokens);
            let cost = left.cost.map(|cost| format!(", {cost}"));
            let cost = cost.unwrap_or_default();
            writeln!(text, "Still to be bought: about {tokens} tokens{cost}")?;
        }
        _ => {}
    }
    match meaning {
        Some(collection) => writeln!(text, "{alias} means {collection}")?,
        None => writeln!(text, "{alias} means nothing yet")?,
    }
    for obstacle in obstacles {
        writeln!(text, "Not now: {obstacle}")?;
    }
    Ok(text)
}

/// One object.
pub(super) fn to_json(standing: &Standing, obstacles: &[String]) -> Json {
    let side = |side: &Side| {
        json!({
            "collection": side.collection,
            "group": side.group,
            "rows": side.rows,
            "lag": side.lag,
        })
    };
    let left = standing
        .left
        .map(|left| json!({ "tokens": left.tokens, "usd": left.cost.map(Money::dollars) }));
    json!({
        "alias": standing.alias,
        "means": standing.meaning,
        "current": side(&standing.current),
        "next": side(&standing.next),
        "sampled": standing.sampled,
        "missing": standing.missing,
        "agreement": standing.agreement,
        "left": left,
        "obstacles": obstacles,
    })
}
