//! The fields of a request: everything is parsed at the edge, all fields of a request at once.

use std::collections::BTreeSet;

use api::error::v1::Reason;
use chassis::refuse;
use chrono::{DateTime, SubsecRound, Utc};
use decision::name::{MalformedName, NodeKind, NodeName, is_id};
use prost_types::{FieldMask, Timestamp};
use tonic::{Code, Status};
use uuid::Uuid;

/// What is wrong with the fields of a request.
#[derive(Debug, Default)]
pub struct Fields {
    wrong: Vec<(String, String)>,
}

impl Fields {
    /// Notes that a field is wrong. The path as in the request: `organization.website`; the description says what would be right.
    pub fn wrong(&mut self, path: impl Into<String>, description: impl Into<String>) {
        self.wrong.push((path.into(), description.into()));
    }

    /// Reads a field by a parser of names.
    pub fn parse<T>(&mut self, path: &str, text: &str, parse: impl Fn(&str) -> Result<T, MalformedName>) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(path, error.to_string());
                None
            }
        }
    }

    /// Reads the name of a node of a kind.
    fn node(&mut self, path: &str, text: &str, expected: &'static str, accept: impl Fn(NodeKind<'_>) -> bool) -> Option<NodeName> {
        match NodeName::parse(text) {
            Ok(name) if accept(name.kind()) => Some(name),
            _ => {
                self.wrong(path, expected);
                None
            }
        }
    }

    /// Reads `organizations/{o}`.
    pub fn organization(&mut self, path: &str, text: &str) -> Option<NodeName> {
        self.node(path, text, "an organization's name, for example `organizations/acme`", |kind| kind == NodeKind::Organization)
    }

    /// Reads `organizations/{o}/workspaces/{w}`.
    pub fn workspace(&mut self, path: &str, text: &str) -> Option<NodeName> {
        self.node(path, text, "a workspace's name, for example `organizations/acme/workspaces/emea`", |kind| kind == NodeKind::Workspace)
    }

    /// Reads `organizations/{o}/accounts/{a}`.
    pub fn account(&mut self, path: &str, text: &str) -> Option<NodeName> {
        self.node(path, text, "an account's name, for example `organizations/acme/accounts/a1`", |kind| kind == NodeKind::Account)
    }

    /// Reads the name of a registered resource.
    pub fn leaf(&mut self, path: &str, text: &str) -> Option<NodeName> {
        let expected = "a resource's name, for example `organizations/acme/workspaces/emea/campaigns/42`";
        self.node(path, text, expected, |kind| matches!(kind, NodeKind::Leaf { .. }))
    }

    /// Reads the name of an organization, workspace or account.
    pub fn container(&mut self, path: &str, text: &str) -> Option<NodeName> {
        let expected = "the name of an organization, workspace or account";
        self.node(path, text, expected, |kind| !matches!(kind, NodeKind::Leaf { .. }))
    }

    /// Reads an id chosen by the client, or makes one.
    pub fn id(&mut self, path: &str, text: &str) -> String {
        if text.is_empty() {
            return Uuid::now_v7().to_string();
        }
        if !is_id(text) {
            self.wrong(path, "1 to 63 of a-z, 0-9 and `-`; or empty for a generated one");
        }
        text.to_owned()
    }

    /// Reads text for people: at most so many characters, none of them a control character or one that turns the direction of what
    /// follows, and at least one that can be seen if it is required.
    pub fn text(&mut self, path: &str, text: &str, most: usize, required: bool) -> String {
        if required && text.chars().all(|c| c.is_whitespace() || is_invisible(c)) {
            self.wrong(path, format!("1 to {most} characters, not blank"));
        } else if text.chars().count() > most {
            self.wrong(path, format!("at most {most} characters"));
        } else if text.chars().any(is_control) {
            self.wrong(path, "no control characters, nor any that change the direction of text");
        }
        text.to_owned()
    }

    /// Reads an etag; empty: any.
    pub fn etag(&mut self, path: &str, text: &str) -> Etag {
        if text.is_empty() {
            return Etag(None);
        }
        let version = text.parse().ok().filter(|version: &i64| *version > 0 && version.to_string() == text);
        if version.is_none() {
            self.wrong(path, "the `etag` as it was returned");
        }
        Etag(version)
    }

    /// Reads a moment; exact to microseconds, as both stores keep it.
    pub fn time(&mut self, path: &str, time: Option<&Timestamp>) -> Option<DateTime<Utc>> {
        let time = time?;
        let read = u32::try_from(time.nanos)
            .ok()
            .filter(|nanos| *nanos < 1_000_000_000)
            // 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z, as google.protobuf.Timestamp has it.
            .filter(|_| (-62_135_596_800..=253_402_300_799).contains(&time.seconds))
            .and_then(|nanos| DateTime::from_timestamp(time.seconds, nanos));
        if read.is_none() {
            self.wrong(path, "a time between the years 1 and 9999");
        }
        read.map(|time| time.trunc_subsecs(6))
    }

    /// Reads which fields to change: those of the mask (`*`: all that can be changed), without a mask those that are set.
    pub fn mask(&mut self, mask: Option<&FieldMask>, changeable: &[(&'static str, bool)]) -> BTreeSet<&'static str> {
        self.mask_at("update_mask", mask, changeable)
    }

    /// The same of a mask that is at another place than `update_mask`.
    pub fn mask_at(&mut self, at: &str, mask: Option<&FieldMask>, changeable: &[(&'static str, bool)]) -> BTreeSet<&'static str> {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        if paths.is_empty() {
            return changeable.iter().filter(|(_, set)| *set).map(|(path, _)| *path).collect();
        }
        if let [path] = paths
            && path == "*"
        {
            return changeable.iter().map(|(path, _)| *path).collect();
        }
        let mut chosen = BTreeSet::new();
        for path in paths {
            match changeable.iter().find(|(known, _)| known == path) {
                Some((known, _)) => {
                    chosen.insert(*known);
                }
                None => {
                    let known: Vec<_> = changeable.iter().map(|(path, _)| format!("`{path}`")).collect();
                    self.wrong(at, format!("`{path}` cannot be changed; what can: {}", known.join(", ")));
                }
            }
        }
        chosen
    }

    /// The part of a request that must be there, or its default with a note.
    pub fn required<T: Default>(&mut self, path: &str, part: Option<T>) -> T {
        part.unwrap_or_else(|| {
            self.wrong(path, "required");
            T::default()
        })
    }

    /// What was read, or INVALID_ARGUMENT with everything that is wrong. `None` must have been noted.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Status> {
        match value {
            Some(value) if self.wrong.is_empty() => Ok(value),
            _ => Err(self.refusal()),
        }
    }

    /// INVALID_ARGUMENT for one field.
    pub fn one<T>(path: &str, description: &str) -> Result<T, Status> {
        let mut fields = Self::default();
        fields.wrong(path, description);
        fields.finish(None)
    }

    fn refusal(self) -> Status {
        let message = match self.wrong.as_slice() {
            [(path, description)] => format!("`{path}` is not right: {description}"),
            several => format!("{} fields are not right; see the details", several.len()),
        };
        let refusal = refuse(Code::InvalidArgument, Reason::InvalidField, message);
        self.wrong.into_iter().fold(refusal, |refusal, (path, description)| refusal.field(path, description)).status()
    }
}

/// Whether a character controls how text is shown instead of being shown: control characters, line and paragraph separators, and those that
/// embed, override or isolate a direction (Unicode TR 9), by which one name can be made to look like another.
pub fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether nothing is seen of a character alone: of no width, or an empty letter. Inside of words some are needed (joiners of Persian and of emoji).
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}'
            | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The state of a thing that a change must find, if the client says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Etag(Option<i64>);

impl Etag {
    /// Any state.
    pub const ANY: Self = Self(None);

    /// Whether this is a state that it accepts.
    pub fn accepts(self, version: i64) -> bool {
        self.0.is_none_or(|expected| expected == version)
    }
}

/// The etag of a version.
pub fn etag(version: i64) -> String {
    version.to_string()
}

/// A moment.
pub fn timestamp(time: DateTime<Utc>) -> Option<Timestamp> {
    // Below 10⁹, also in a leap second.
    let nanos = time.timestamp_subsec_nanos().min(999_999_999);
    Some(Timestamp { seconds: time.timestamp(), nanos: nanos.cast_signed() })
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    fn paths(fields: Fields) -> Vec<String> {
        let status = fields.finish(Some(())).unwrap_err();
        status.get_error_details().bad_request().unwrap().field_violations.iter().map(|field| field.field.clone()).collect()
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let mut fields = Fields::default();
        fields.organization("parent", "organizations/acme/workspaces/emea");
        fields.text("workspace.display_name", " ", 200, true);
        fields.id("workspace_id", "Ärger");
        fields.etag("etag", "1x");
        assert_eq!(paths(fields), ["parent", "workspace.display_name", "workspace_id", "etag"]);
    }

    #[test]
    fn a_control_character_is_no_text() {
        let mut fields = Fields::default();
        fields.text("one", "a\0b", 200, true);
        fields.text("two", "a\nb", 200, false);
        fields.text("three", &"ä".repeat(200), 200, false);
        fields.text("four", &"ä".repeat(201), 200, false);
        assert_eq!(paths(fields), ["one", "two", "four"]);
    }

    #[test]
    fn what_cannot_be_seen_is_blank_and_nothing_turns_the_direction_of_text() {
        let mut fields = Fields::default();
        fields.text("blank", "\u{200b}\u{2060} \u{feff}", 200, true);
        fields.text("override", "ann\u{202e}nna", 200, true);
        fields.text("isolate", "a\u{2067}b", 200, false);
        fields.text("joined", "\u{1f468}\u{200d}\u{1f469} می\u{200c}روم", 200, true);
        assert_eq!(paths(fields), ["blank", "override", "isolate"]);
    }

    #[test]
    fn a_mask_names_what_can_be_changed_and_without_one_what_is_set_is() {
        let changeable = [("display_name", true), ("website", false)];
        let mut fields = Fields::default();
        let mask = |paths: &[&str]| FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
        assert_eq!(fields.mask(None, &changeable), BTreeSet::from(["display_name"]));
        assert_eq!(fields.mask(Some(&mask(&["website"])), &changeable), BTreeSet::from(["website"]));
        assert_eq!(fields.mask(Some(&mask(&["*"])), &changeable).len(), 2);
        fields.mask(Some(&mask(&["website", "state"])), &changeable);
        assert_eq!(paths(fields), ["update_mask"]);
    }

    #[test]
    fn times_read_back_and_have_bounds() {
        let mut fields = Fields::default();
        let time = Timestamp { seconds: 1_700_000_000, nanos: 123_456_000 };
        assert_eq!(timestamp(fields.time("t", Some(&time)).unwrap()), Some(time));
        fields.time("early", Some(&Timestamp { seconds: -62_135_596_801, nanos: 0 }));
        fields.time("late", Some(&Timestamp { seconds: 253_402_300_800, nanos: 0 }));
        fields.time("torn", Some(&Timestamp { seconds: 0, nanos: 1_000_000_000 }));
        assert_eq!(paths(fields), ["early", "late", "torn"]);
    }

    #[test]
    fn an_etag_is_the_version_and_nothing_like_it() {
        let mut fields = Fields::default();
        assert!(fields.etag("etag", &etag(7)).accepts(7));
        assert!(!fields.etag("etag", &etag(7)).accepts(8));
        assert!(Etag::ANY.accepts(1));
        for text in ["07", "+7", "-1", "0", "x"] {
            fields.etag(text, text);
        }
        assert_eq!(paths(fields).len(), 5);
    }
}
