//! Which keys exist and of what kind they are, as the JSON Schema has it. The schema comes from
//! the structs, so that the loader knows a key as soon as it exists.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use super::Config;

/// A node of the tree of known keys.
#[derive(Debug)]
pub(super) enum Shape {
    /// A table with known keys, in the order of their declaration.
    Section(Vec<(String, Shape)>),
    /// A list of tables, such as `tables`, each with the keys of this section. Only the root has
    /// such a list.
    Tables(Box<Shape>),
    /// A table with free keys, such as `kafka.properties`, and the kind of its values.
    Open(Kind),
    /// One value.
    Leaf(Kind),
}

/// What a value is, as far as reading it from text needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    List,
    TextOrList,
    Secret,
}

/// The JSON Schema (draft 2020-12) of a configuration file.
pub fn json_schema() -> Json {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<Config>()
        .to_value()
}

impl Shape {
    /// The shape of a whole [`Config`].
    pub(super) fn of_config() -> &'static Self {
        static SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::of(&json_schema()));
        &SHAPE
    }

    fn of(schema: &Json) -> Self {
        let schema = non_null(schema);
        if let Some(properties) = schema.get("properties").and_then(Json::as_object) {
            let children = properties
                .iter()
                .map(|(key, schema)| (key.clone(), Self::of(schema)))
                .collect();
            return Self::Section(children);
        }
        let items = schema.get("items").map(non_null);
        if let Some(items) = items.filter(|items| items.get("properties").is_some()) {
            return Self::Tables(Box::new(Self::of(items)));
        }
        match schema.get("additionalProperties") {
            Some(values) if values.is_object() => Self::Open(Kind::of(values)),
            _ => Self::Leaf(Kind::of(schema)),
        }
    }

    /// The child of a section by its key.
    pub(super) fn child(&self, key: &str) -> Option<&Self> {
        self.children()
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, shape)| shape)
    }

    /// The known key that is most like `unknown`: a neighbour with a slip of the pen, or one of
    /// the same name in another section. `section` is the path of `self` from the root.
    pub(super) fn nearest(&self, section: &[String], unknown: &str) -> Option<Vec<String>> {
        let slips = unknown.chars().count().div_ceil(3);
        let neighbour = self
            .children()
            .iter()
            .map(|(key, _)| (strsim::damerau_levenshtein(key, unknown), key))
            .filter(|(distance, _)| *distance <= slips)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, key)| [section, std::slice::from_ref(key)].concat());
        neighbour.or_else(|| Self::of_config().namesake(unknown, &mut Vec::new()))
    }

    fn namesake(&self, name: &str, path: &mut Vec<String>) -> Option<Vec<String>> {
        for (key, shape) in self.children() {
            path.push(key.clone());
            if key == name {
                return Some(path.clone());
            }
            if let Some(found) = shape.namesake(name, path) {
                return Some(found);
            }
            path.pop();
        }
        None
    }

    pub(super) fn children(&self) -> &[(String, Self)] {
        match self {
            Self::Section(children) => children,
            Self::Tables(_) | Self::Open(_) | Self::Leaf(_) => &[],
        }
    }
}

impl Kind {
    fn of(schema: &Json) -> Self {
        let schema = non_null(schema);
        if schema.get("format").and_then(Json::as_str) == Some("secret-reference") {
            return Self::Secret;
        }
        if schema.get("format").and_then(Json::as_str) == Some("text-or-list") {
            return Self::TextOrList;
        }
        // An optional value's type is a list: `["string", "null"]`.
        let kind = schema.get("type").and_then(|kind| match kind {
            Json::Array(kinds) => kinds.first().and_then(Json::as_str),
            kind => kind.as_str(),
        });
        match kind {
            Some("integer") => Self::Integer,
            Some("number") => Self::Number,
            Some("boolean") => Self::Boolean,
            Some("array") => Self::List,
            _ => Self::Text,
        }
    }
}

/// An optional enum's or secret's schema is `anyOf` itself and null.
pub(super) fn non_null(schema: &Json) -> &Json {
    schema
        .get("anyOf")
        .and_then(Json::as_array)
        .and_then(|either| either.first())
        .unwrap_or(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(section: &[&str], unknown: &str) -> Option<String> {
        let path: Vec<String> = section.iter().map(ToString::to_string).collect();
        let shape = path
            .iter()
            .try_fold(Shape::of_config(), |shape, key| shape.child(key))?;
        shape.nearest(&path, unknown).map(|path| path.join("."))
    }

    #[test]
    fn a_slip_of_the_pen_leads_to_its_neighbour() {
        assert_eq!(
            nearest(&["kafka"], "brokerz").as_deref(),
            Some("kafka.brokers")
        );
        assert_eq!(nearest(&[], "dead-letter").as_deref(), Some("dead_letter"));
    }

    #[test]
    fn a_key_in_the_wrong_section_leads_to_the_right_one() {
        assert_eq!(nearest(&[], "topics").as_deref(), Some("kafka.topics"));
        assert_eq!(
            nearest(&["kafka"], "password").as_deref(),
            Some("kafka.security.password")
        );
    }

    #[test]
    fn what_is_like_nothing_gets_no_suggestion() {
        assert_eq!(nearest(&["kafka"], "zookeeper"), None);
    }

    #[test]
    fn kinds_follow_the_types_of_the_structs() {
        let kind = |path: &str| {
            let shape = path
                .split('.')
                .try_fold(Shape::of_config(), |shape, key| shape.child(key));
            match shape {
                Some(Shape::Leaf(kind) | Shape::Open(kind)) => Some(*kind),
                _ => None,
            }
        };
        assert_eq!(kind("kafka.topics"), Some(Kind::List));
        assert_eq!(kind("kafka.properties"), Some(Kind::Text));
        assert_eq!(kind("kafka.security.password"), Some(Kind::Secret));
        assert_eq!(kind("kafka.security.mechanism"), Some(Kind::Text));
        assert_eq!(kind("embed.dimensions"), Some(Kind::Integer));
        assert_eq!(kind("embed.send_dimensions"), Some(Kind::Boolean));
        assert_eq!(kind("kafka"), None);
    }
}
