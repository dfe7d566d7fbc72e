//! Arrays and hstores as PostgreSQL prints them.

use serde_json::{Map, Value as Json};

/// The elements of an array of one dimension, which begins at 1; `None` of any other.
pub(super) fn elements(printed: &str) -> Option<Vec<Option<String>>> {
    let mut rest = printed.strip_prefix('{')?;
    let mut elements = Vec::new();
    if rest == "}" {
        return Some(elements);
    }
    loop {
        let element;
        (element, rest) = if rest.starts_with('"') {
            let (text, rest) = quoted(rest)?;
            (Some(text), rest)
        } else {
            let end = rest.find([',', '}'])?;
            let (word, rest) = rest.split_at(end);
            // Elements with anything else in them are quoted.
            if word.is_empty() || word.contains(['{', '"', '\\']) {
                return None;
            }
            ((word != "NULL").then(|| word.to_owned()), rest)
        };
        elements.push(element);
        match rest {
            "}" => return Some(elements),
            _ => rest = rest.strip_prefix(',')?,
        }
    }
}

/// An hstore as an object of texts.
pub(super) fn hstore(printed: &str) -> Option<Json> {
    let mut pairs = Map::new();
    let mut rest = printed;
    while !rest.is_empty() {
        let (key, after) = quoted(rest)?;
        let after = after.strip_prefix("=>")?;
        let (value, after) = match after.strip_prefix("NULL") {
            Some(after) => (Json::Null, after),
            None => quoted(after).map(|(text, after)| (text.into(), after))?,
        };
        pairs.insert(key, value);
        rest = match after {
            "" => after,
            _ => after.strip_prefix(", ")?,
        };
    }
    Some(pairs.into())
}

/// A text in double quotes, in which a backslash keeps what follows; and what comes behind.
fn quoted(text: &str) -> Option<(String, &str)> {
    let body = text.strip_prefix('"')?;
    let mut unquoted = String::new();
    let mut chars = body.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((unquoted, body.get(at + 1..)?)),
            '\\' => unquoted.push(chars.next()?.1),
            char => unquoted.push(char),
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn elements_are_told_apart_by_their_quotes() {
        let printed = r#"{a,"b,}c","say \"x\" \\","NULL",NULL,""}"#;
        let expected = [
            Some("a"),
            Some("b,}c"),
            Some(r#"say "x" \"#),
            Some("NULL"),
            None,
            Some(""),
        ];
        assert_eq!(
            elements(printed).unwrap(),
            expected.map(|it| it.map(str::to_owned))
        );
        assert_eq!(elements("{}").unwrap(), []);
    }

    #[test]
    fn what_is_no_array_of_one_dimension_is_none() {
        for printed in [
            "",
            "{",
            "{a",
            "{{1},{2}}",
            "[2:3]={1,2}",
            "{a,}",
            "{\"a}",
            "{a}b",
        ] {
            assert_eq!(elements(printed), None, "{printed}");
        }
    }

    #[test]
    fn pairs_are_read_to_their_end_or_not_at_all() {
        let object = hstore(r#""a"=>"1", "b \"x"=>NULL"#).unwrap();
        assert_eq!(object, serde_json::json!({"a": "1", "b \"x": null}));
        assert_eq!(hstore("").unwrap(), serde_json::json!({}));
        assert_eq!(hstore("\"a\"=>"), None);
        assert_eq!(hstore("\"a\"=>\"1\",\"b\""), None);
    }
}
