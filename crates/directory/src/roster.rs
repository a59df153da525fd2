//! Rosters: who participates in a node, and by what. Their rules that need no database, and their form as CSV.

use std::collections::BTreeMap;

use api::authz::v1::{Holding, Participation, Standing, participation::Membership};
use chrono::{DateTime, Utc};
use decision::name::{NodeKind, NodeName, Principal};

use service::fields::is_invisible;

use crate::{
    invitation::Invitation,
    role_binding::RoleBinding,
    store::participation::{Entry, Facet},
};

/// Somebody who participates.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Participant {
    pub(crate) participant: String,
    pub(crate) display_name: String,
    pub(crate) email: String,
    pub(crate) state: Facet,
    pub(crate) user_suspended: bool,
    pub(crate) organization_role: Option<String>,
    pub(crate) roles: Vec<HeldRole>,
    pub(crate) update_time: Option<DateTime<Utc>>,
}

/// A workspace or a customer that a user can go to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) node: NodeName,
    pub(crate) display_name: String,
    pub(crate) parent: Option<NodeName>,
    pub(crate) organization_display_name: String,
    pub(crate) roles: Vec<HeldRole>,
}

/// A role and how somebody comes to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldRole {
    pub(crate) role: String,
    pub(crate) node: String,
    pub(crate) role_binding: String,
    pub(crate) inherited: bool,
    pub(crate) implied_by: Option<String>,
    pub(crate) held_at: String,
    pub(crate) group: Option<String>,
    pub(crate) sponsor: Option<String>,
}

fn said(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// In one word how somebody comes to a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Direct,
    Group,
    Sponsor,
    Above,
    Implied,
    Invitation,
}

impl HeldRole {
    /// What a binding gives to whom it names, or who is in the group that it names.
    pub(crate) fn of(binding: &RoleBinding) -> Self {
        let assigned = &binding.assigned;
        Self {
            role: assigned.role.to_string(),
            node: assigned.node.to_string(),
            role_binding: binding.name.to_string(),
            inherited: false,
            implied_by: None,
            held_at: assigned.node.to_string(),
            group: if let Principal::Group(group) = &assigned.principal { Some(group.to_string()) } else { None },
            sponsor: assigned.sponsor.as_ref().map(ToString::to_string),
        }
    }

    /// What authz says of a binding that somebody has at a node or below.
    fn holding(holding: &Holding) -> Self {
        Self {
            role: holding.role.clone(),
            node: holding.node.clone(),
            role_binding: holding.role_binding.clone(),
            inherited: false,
            implied_by: None,
            held_at: holding.node.clone(),
            group: said(&holding.group),
            sponsor: said(&holding.sponsor),
        }
    }

    /// What authz says that somebody holds.
    pub(crate) fn standing(standing: &Standing) -> Self {
        Self {
            role: standing.role.clone(),
            node: standing.at.clone(),
            role_binding: standing.role_binding.clone(),
            inherited: standing.bound_at != standing.node,
            implied_by: said(&standing.bound_role).filter(|bound| *bound != standing.role),
            held_at: standing.bound_at.clone(),
            group: said(&standing.group),
            sponsor: said(&standing.sponsor),
        }
    }

    pub(crate) fn source(&self) -> Source {
        match self {
            // There is no binding yet.
            Self { role_binding, .. } if role_binding.is_empty() => Source::Invitation,
            Self { implied_by: Some(_), .. } => Source::Implied,
            Self { inherited: true, .. } => Source::Above,
            Self { sponsor: Some(_), .. } => Source::Sponsor,
            Self { group: Some(_), .. } => Source::Group,
            _ => Source::Direct,
        }
    }
}

impl Source {
    fn word(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Group => "group",
            Self::Sponsor => "sponsor",
            Self::Above => "above",
            Self::Implied => "implied",
            Self::Invitation => "invitation",
        }
    }
}

/// What is known of the participants of a page beside their entries. Of users, who are nearly all of them, it is what authz has in memory.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Of the users.
    pub(crate) participations: Vec<Participation>,
    /// Of the users.
    pub(crate) standings: Vec<Standing>,
    /// Of the others, at the node and below, unended.
    pub(crate) bindings: Vec<RoleBinding>,
    pub(crate) invitations: Vec<Invitation>,
    pub(crate) organization_roles: Vec<String>,
}

impl Known {
    /// A participant of a node; none where what reaches them from above does not count, and they have nothing else.
    pub(crate) fn participant(&self, entry: &Entry, node: &NodeName) -> Option<Participant> {
        let name = &entry.participant;
        if let Some(invitation) = self.invitations.iter().find(|invitation| invitation.name.as_str() == name) {
            return Some(invited(invitation));
        }
        let user = self.participations.iter().find(|participation| participation.user == *name);
        let membership = user.map(Participation::membership).unwrap_or_default();
        let bound = self.bindings.iter().filter(|binding| binding.assigned.principal.to_string() == *name).map(HeldRole::of);
        let held = user.into_iter().flat_map(|user| &user.holdings).map(HeldRole::holding);
        let mut roles: Vec<HeldRole> = bound.chain(held).collect();
        let organization = node.organization();
        let organization_role = roles
            .iter()
            .find(|held| held.node == organization.as_str() && self.organization_roles.contains(&held.role))
            .map(|held| held.role.clone());
        let is_known = |standing: &Standing| standing.bound_at == node.as_str() && standing.role == standing.bound_role;
        let more = self.standings.iter().filter(|standing| standing.user == *name && !is_known(standing));
        roles.extend(more.map(HeldRole::standing));
        let belongs = node.kind() == NodeKind::Organization && membership != Membership::Unspecified;
        if roles.is_empty() && !belongs {
            return None;
        }
        Some(Participant {
            participant: name.clone(),
            display_name: user.map_or_else(|| name.clone(), |_| entry.display_name.clone()),
            email: entry.email.clone(),
            state: match membership {
                Membership::Unspecified => Facet::Guest,
                Membership::Suspended => Facet::Suspended,
                Membership::Active => Facet::Active,
            },
            user_suspended: user.is_some_and(|user| user.suspended),
            organization_role,
            update_time: Some(entry.update_time),
            roles,
        })
    }
}

/// Who is invited, as a participant to be.
fn invited(invitation: &Invitation) -> Participant {
    let offer = &invitation.offer;
    let offered = HeldRole {
        role: offer.role.to_string(),
        node: offer.node.to_string(),
        role_binding: String::new(),
        inherited: false,
        implied_by: None,
        held_at: offer.node.to_string(),
        group: None,
        sponsor: offer.sponsor.as_ref().map(ToString::to_string),
    };
    Participant {
        participant: invitation.name.to_string(),
        display_name: String::new(),
        email: offer.email.as_str().to_owned(),
        state: Facet::Invited,
        user_suspended: false,
        organization_role: None,
        roles: vec![offered],
        update_time: Some(invitation.update_time),
    }
}

/// Whether a node is another, or below it in its organization; `workspaces` tells the workspace of accounts.
pub(crate) fn is_within(node: &NodeName, container: &NodeName, workspaces: &BTreeMap<NodeName, NodeName>) -> bool {
    let direct = |node: &NodeName| node == container || node.leaf_parent().is_some_and(|parent| parent == *container);
    if container.kind() == NodeKind::Organization {
        return node.organization() == *container;
    }
    let account = if node.kind() == NodeKind::Account { Some(node.clone()) } else { node.leaf_parent() };
    direct(node) || account.and_then(|account| workspaces.get(&account)).is_some_and(|workspace| workspace == container)
}

/// The header of [`participants_csv`].
pub(crate) const PARTICIPANT_COLUMNS: [&str; 11] = [
    "participant",
    "display_name",
    "email",
    "state",
    "organization_role",
    "role",
    "node",
    "source",
    "held_at",
    "role_binding",
    "update_time",
];

/// The header of [`places_csv`].
pub(crate) const PLACE_COLUMNS: [&str; 8] = ["node", "display_name", "parent", "organization", "role", "source", "held_at", "role_binding"];

/// A row for each role of each participant.
pub(crate) fn participants_csv(participants: &[Participant]) -> Result<Vec<u8>, csv::Error> {
    let rows = participants.iter().flat_map(|participant| {
        let of = move |role: Option<&HeldRole>| {
            let text = |read: fn(&HeldRole) -> String| role.map(read).unwrap_or_default();
            vec![
                participant.participant.clone(),
                participant.display_name.clone(),
                participant.email.clone(),
                participant.state.as_str().to_owned(),
                participant.organization_role.clone().unwrap_or_default(),
                text(|role| role.role.clone()),
                text(|role| role.node.clone()),
                text(|role| role.source().word().to_owned()),
                text(|role| role.held_at.clone()),
                text(|role| role.role_binding.clone()),
                participant.update_time.map(|time| time.to_rfc3339()).unwrap_or_default(),
            ]
        };
        each_or_one(&participant.roles).map(of)
    });
    csv(rows)
}

/// A row for each role at each place.
pub(crate) fn places_csv(places: &[Place]) -> Result<Vec<u8>, csv::Error> {
    let rows = places.iter().flat_map(|place| {
        let of = move |role: Option<&HeldRole>| {
            let text = |read: fn(&HeldRole) -> String| role.map(read).unwrap_or_default();
            vec![
                place.node.to_string(),
                place.display_name.clone(),
                place.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
                place.organization_display_name.clone(),
                text(|role| role.role.clone()),
                text(|role| role.source().word().to_owned()),
                text(|role| role.held_at.clone()),
                text(|role| role.role_binding.clone()),
            ]
        };
        each_or_one(&place.roles).map(of)
    });
    csv(rows)
}

fn each_or_one(roles: &[HeldRole]) -> impl Iterator<Item = Option<&HeldRole>> {
    roles.iter().map(Some).chain(roles.is_empty().then_some(None))
}

/// Rows in RFC 4180.
pub(crate) fn csv<C: AsRef<str>>(rows: impl IntoIterator<Item = impl IntoIterator<Item = C>>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row.into_iter().map(|cell| neutral(cell.as_ref())))?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

/// A cell that a spreadsheet would take for a formula is made text by an apostrophe, also behind what nobody sees and in full width; one that begins with an
/// apostrophe gets another, so that both can be told apart.
fn neutral(cell: &str) -> String {
    let seen = cell.trim_start_matches(|c: char| c.is_whitespace() || is_invisible(c));
    let is_formula = seen.starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    if is_formula || cell.starts_with(['\t', '\r', '\'']) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_as_rfc_4180_says_and_lines_end_with_crlf() {
        let text = String::from_utf8(csv([["plain", "a,b"], ["say \"hi\"", "two\nlines"], ["", "ü"]]).unwrap()).unwrap();
        assert_eq!(text, "plain,\"a,b\"\r\n\"say \"\"hi\"\"\",\"two\nlines\"\r\n,ü\r\n");
    }

    #[test]
    fn cells_that_begin_like_a_formula_are_text() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", " =1", "\u{a0}=1", "\u{200b}=1", "\u{ff1d}1", "'=1"] {
            let text = String::from_utf8(csv([[cell, "x"]]).unwrap()).unwrap();
            assert!(text.trim_start_matches('"').starts_with(&format!("'{cell}")), "{text:?}");
        }
        assert_eq!(neutral(" a=b"), " a=b");
        assert_eq!(neutral(""), "");
    }

    #[test]
    fn an_account_is_within_its_workspace_and_what_is_in_it_too() {
        let name = |text: &str| NodeName::parse(text).unwrap();
        let (emea, a1) = (name("organizations/acme/workspaces/emea"), name("organizations/acme/accounts/a1"));
        let workspaces = BTreeMap::from([(a1.clone(), emea.clone())]);
        for inside in
            [&emea, &a1, &name("organizations/acme/accounts/a1/campaigns/1"), &name("organizations/acme/workspaces/emea/campaigns/1")]
        {
            assert!(is_within(inside, &emea, &workspaces), "{inside}");
            assert!(is_within(inside, &name("organizations/acme"), &workspaces), "{inside}");
        }
        for outside in ["organizations/acme", "organizations/acme/workspaces/emea2", "organizations/acme/accounts/a2"] {
            assert!(!is_within(&name(outside), &emea, &workspaces), "{outside}");
        }
    }

    #[test]
    fn how_somebody_comes_to_a_role_is_said_by_the_furthest_that_applies() {
        let standing = Standing {
            node: "organizations/acme/workspaces/emea".into(),
            role: "roleModels/m/roles/admin".into(),
            role_binding: "organizations/acme/roleBindings/b1".into(),
            at: "organizations/acme/workspaces/emea".into(),
            bound_role: "roleModels/m/roles/owner".into(),
            bound_at: "organizations/acme".into(),
            ..Standing::default()
        };
        let implied = HeldRole::standing(&standing);
        assert_eq!((implied.source(), implied.inherited), (Source::Implied, true));
        let above = HeldRole::standing(&Standing { bound_role: standing.role.clone(), ..standing.clone() });
        assert_eq!((above.source(), above.implied_by), (Source::Above, None));
        let group = Standing { bound_at: standing.node.clone(), bound_role: standing.role.clone(), group: "g".into(), ..standing };
        assert_eq!(HeldRole::standing(&group).source(), Source::Group);
    }
}
