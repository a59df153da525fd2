//! What happens to invitations, as the audit trail has it: whose order is that of the commits.

use std::fmt;

use api::directory::v1::invitation_event::Kind;
use uuid::Uuid;

/// What is done to invitations, and what whoever follows them is told.
const KINDS: [(&str, Kind); 7] = [
    ("invitations.create", Kind::Created),
    ("invitations.resend", Kind::Resent),
    ("invitations.accept", Kind::Accepted),
    ("invitations.decline", Kind::Declined),
    ("invitations.revoke", Kind::Revoked),
    ("invitations.expire", Kind::Expired),
    ("invitations.withdraw", Kind::Withdrawn),
];

/// The actions of [`kind_of`].
pub(crate) const ACTIONS: [&str; 7] = [KINDS[0].0, KINDS[1].0, KINDS[2].0, KINDS[3].0, KINDS[4].0, KINDS[5].0, KINDS[6].0];

/// What an action is told as.
pub(crate) fn kind_of(action: &str) -> Kind {
    KINDS.iter().find(|(known, _)| *known == action).map_or(Kind::Unspecified, |(_, kind)| *kind)
}

/// A place in the audit trail of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) epoch: Uuid,
    pub(crate) revision: u64,
    pub(crate) entry: u32,
}

impl Cursor {
    /// Reads what was sent.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let epoch = Uuid::try_parse(parts.next()?).ok()?;
        let revision = parts.next()?.parse().ok().filter(|revision| i64::try_from(*revision).is_ok())?;
        let entry = parts.next()?.parse().ok().filter(|entry| i32::try_from(*entry).is_ok())?;
        Some(Self { epoch, revision, entry })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.epoch.simple(), self.revision, self.entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        let cursor = Cursor { epoch: Uuid::new_v4(), revision: 42, entry: 7 };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for text in ["", "x.1.2", &format!("{}.1", Uuid::nil()), &format!("{}.-1.0", Uuid::nil()), &format!("{}.1.2.3", Uuid::nil())] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
