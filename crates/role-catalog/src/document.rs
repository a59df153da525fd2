//! Role models as authors write them: read, and checked whole.

mod places;

use api::rolecatalog::v1::RoleModelDocument;
use decision::{document::Document, model::RoleModel, validate::Finding};
use prost::Message;
use serde_json::Value;
use service::fields::{is_control, is_invisible};

use crate::{status::Error, wire};
use places::Places;

/// The longest YAML that is read, in bytes.
pub(crate) const MAX_YAML_BYTES: usize = 1024 * 1024;
/// The largest document that is stored, in bytes of its message: the feed carries it as one record of at most 1 MiB.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1_000_000;
const MAX_TITLE: usize = 200;
const MAX_DESCRIPTION: usize = 2000;

/// A document as it was given.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// YAML by hand; at most [`MAX_YAML_BYTES`].
    Yaml(String),
    /// The message.
    Message(Box<RoleModelDocument>),
}

impl Source {
    /// The document, checked: it may be stored, and decided by.
    pub(crate) fn read(self) -> Result<Document, Error> {
        let (root, document, places) = match self {
            Self::Yaml(text) => {
                let document = from_yaml(&text).map_err(|finding| Error::InvalidRoleModel(vec![finding]))?;
                ("yaml", document, Places::of_yaml(text))
            }
            Self::Message(message) => match wire::read_document(&message) {
                Ok(document) => ("document", document, Places::none()),
                Err(message) => return Err(Error::InvalidRoleModel(vec![Finding { path: "document".to_owned(), message }])),
            },
        };
        let findings = check(&document);
        if findings.is_empty() {
            return Ok(document);
        }
        let findings = findings.into_iter().map(|Finding { path, message }| Finding {
            message: match places.of(&path) {
                Some(place) => format!("{place}: {message}"),
                None => message,
            },
            path: if path.is_empty() { root.to_owned() } else { format!("{root}.{path}") },
        });
        Err(Error::InvalidRoleModel(findings.collect()))
    }
}

/// Reads YAML; what it is refused for has its line and column.
pub(crate) fn from_yaml(text: &str) -> Result<Document, Finding> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let error = error.without_snippet();
        let message = in_plain_words(error);
        Finding {
            path: "yaml".to_owned(),
            message: match error.location().filter(|place| place.line() > 0) {
                Some(place) => format!("line {}, column {}: {message}", place.line(), place.column()),
                None => message,
            },
        }
    })
}

/// What the reader of YAML refused; where its own words are for developers, others.
fn in_plain_words(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter, budget::BudgetBreach};
    match error {
        Error::Budget { breach: BudgetBreach::Documents { .. }, .. } | Error::MultipleDocuments { .. } => {
            "there is more than one document in the text; leave out the `---` and push each by itself".to_owned()
        }
        Error::Budget { .. } => {
            "the text has too many parts, too deep nesting or too many aliases; write it shorter, without aliases".to_owned()
        }
        Error::DuplicateMappingKey { key, .. } => match key {
            Some(key) => format!("`{key}` is there twice; leave one out"),
            None => "a field is there twice; leave one out".to_owned(),
        },
        Error::Eof { .. } => "the text ends too early; complete it".to_owned(),
        other => {
            let text = UserMessageFormatter.format_message(other);
            let line = text.lines().next().unwrap_or_default();
            let mut letters = line.chars();
            letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
        }
    }
}

/// One document, within bounds; `yes` and `no` are words.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_total_scalar_bytes: 4 * MAX_YAML_BYTES,
        },
    }
}

/// Everything that is wrong with a document.
fn check(document: &Document) -> Vec<Finding> {
    let mut findings = texts(document);
    match wire::write_document(document) {
        Ok(message) if message.encoded_len() > MAX_MESSAGE_BYTES => findings.push(Finding {
            path: String::new(),
            message: format!("the document takes {} bytes as a message, more than {MAX_MESSAGE_BYTES}; shorten it", message.encoded_len()),
        }),
        Ok(_) => {}
        Err(error) => findings.push(Finding { path: String::new(), message: error.to_string() }),
    }
    if let Err(more) = RoleModel::compile(document.clone()) {
        findings.extend(more);
    }
    findings
}

/// Titles and descriptions that are too long, or that people would not see.
fn texts(document: &Document) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Ok(value) = serde_json::to_value(document) {
        walk(&value, String::new(), &mut findings);
    }
    findings
}

/// What is wrong with text for people, if it is given: characters that nobody sees make no title.
pub(crate) fn text_fault(text: &str, lines: bool) -> Option<&'static str> {
    if text.chars().any(|character| is_control(character) && !(lines && character == '\n')) {
        return Some(if lines { "has control characters; only line feeds are allowed" } else { "has control characters; leave them out" });
    }
    let blank = |character: char| character.is_whitespace() || is_invisible(character);
    (!text.is_empty() && text.chars().all(blank)).then_some("has nothing that can be seen; write some text, or leave it out")
}

fn walk(value: &Value, path: String, findings: &mut Vec<Finding>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let lines = name == "description";
                let most = match name.as_str() {
                    "title" => MAX_TITLE,
                    "description" => MAX_DESCRIPTION,
                    // Values that the author chose, under names that the author chose.
                    "params" | "default" => continue,
                    _ => usize::MAX,
                };
                match value {
                    Value::String(text) if most < usize::MAX => {
                        if text.chars().count() > most {
                            findings.push(Finding { path, message: format!("the {name} is longer than {most} characters; shorten it") });
                        } else if let Some(fault) = text_fault(text, lines) {
                            findings.push(Finding { path, message: format!("the {name} {fault}") });
                        }
                    }
                    _ => walk(value, path, findings),
                }
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                walk(value, format!("{path}[{index}]"), findings);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(yaml: &str) -> Vec<(String, String)> {
        match Source::Yaml(yaml.to_owned()).read() {
            Err(Error::InvalidRoleModel(findings)) => findings.into_iter().map(|finding| (finding.path, finding.message)).collect(),
            Err(error) => panic!("{error}"),
            Ok(_) => Vec::new(),
        }
    }

    #[test]
    fn findings_come_with_their_places() {
        let found =
            findings("model: m\nroles:\n  - id: r\n    held_at: organization\n    grants:\n      - { permissions: [organization.gte] }\n");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "yaml.roles[0].grants[0].permissions[0]");
        assert!(found[0].1.starts_with("line 6, column 25: there is no permission `organization.gte`"), "{}", found[0].1);
    }

    #[test]
    fn yaml_that_is_none_is_refused_with_its_place() {
        for (yaml, place) in [
            ("model: [", "line 1"),
            ("model: m\ntitel: x\n", "line 2, column 1: "),
            ("model: m\nmodel: n\n", "line 2, column 1: "),
            ("model: m\n---\nmodel: n\n", "line "),
            ("model: m\npermissions:\n  - { id: a.b, level: edti }\n", "line 3, column 23: "),
        ] {
            let found = findings(yaml);
            assert_eq!(found.len(), 1, "{yaml}: {found:?}");
            assert!(found[0].0 == "yaml" && found[0].1.starts_with(place), "{yaml}: {found:?}");
            assert!(!found[0].1.contains('\n'), "{}", found[0].1);
        }
    }

    #[test]
    fn what_yaml_is_refused_for_is_said_in_plain_words() {
        for (yaml, says) in [
            ("model: m\n---\nmodel: n\n", "more than one document"),
            ("model: m\nmodel: n\n", "`model` is there twice"),
            ("model: [", "line 1"),
            ("- a\n", "line 1"),
            ("model: m\nroles: x\n", "line 2"),
        ] {
            let found = findings(yaml);
            assert!(found[0].1.contains(says), "{yaml}: {found:?}");
            for inside in ["budget", "Policy", "Options", "{", "struct ", "Document"] {
                assert!(!found[0].1.contains(inside), "{yaml}: {found:?}");
            }
        }
    }

    #[test]
    fn text_that_nobody_sees_is_no_title() {
        let found = findings(
            "model: m\ntitle: \"\\u200b\\u2060\"\ncomponents:\n  - { id: c, title: \"a\\u0007\" }\n  - { id: d, title: \"\u{e4} b\" }\n",
        );
        let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["yaml.components[0].title", "yaml.title"], "{found:?}");
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut yaml = "model: m\ntitle: &a0 \"lol\"\ntypes:\n".to_owned();
        yaml.push_str("  - &b0 { id: x, parents: [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol] }\n");
        for level in 1..12 {
            yaml.push_str(&format!("  - &b{level} {{ id: y, parents: [{}] }}\n", vec![format!("*b{}", level - 1); 10].join(", ")));
        }
        assert_eq!(findings(&yaml).len(), 1);
    }

    #[test]
    fn long_titles_are_findings_and_long_parameters_are_not() {
        let found = findings(&format!("model: m\ntitle: {}\ncomponents:\n  - {{ id: c, title: {} }}\n", "x".repeat(201), "ä".repeat(201)));
        let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert!(paths.contains(&"yaml.title") && paths.contains(&"yaml.components[0].title"), "{found:?}");
    }

    #[test]
    fn a_message_with_an_unknown_word_is_refused() {
        let mut message = RoleModelDocument { model: "m".into(), ..RoleModelDocument::default() };
        message.permissions.push(api::rolecatalog::v1::role_model_document::Permission {
            id: "a.b".into(),
            level: "edti".into(),
            ..Default::default()
        });
        assert!(
            matches!(Source::Message(Box::new(message)).read(), Err(Error::InvalidRoleModel(findings)) if findings[0].path == "document")
        );
    }
}
