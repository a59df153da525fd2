//! What a verdict rests on.

use super::Grounds;
use crate::{
    containment::earliest,
    name::{NodeName, Sponsor},
    path::Path,
    slot::Bound,
    standing::{Circle, Rules, Subject, Via},
    view::View,
};

fn tree_of(view: &View, name: &NodeName) -> Option<String> {
    Path::of(view, name).root(view).map(|root| root.name.to_string())
}

/// The tree of the organization that a sponsor lets in.
pub(super) fn sponsor_tree(view: &View, sponsor: &Sponsor) -> Option<String> {
    match sponsor {
        Sponsor::Partnership(name) => view.partnership(name).and_then(|partnership| tree_of(view, &partnership.partner)),
        Sponsor::Workspace(name) => tree_of(view, name),
    }
}

/// Adds to the grounds all that a binding counts by for the subject.
///
/// Where the binding's node is on the path of what is asked about, the roles that are implied between the two are looked at too, with what they
/// require.
pub(super) fn rest_on_binding<'v>(
    rules: &Rules<'v>,
    subject: &Subject<'v>,
    asked: &Path,
    bound: &'v Bound,
    via: Via,
    grounds: &mut Grounds,
) {
    let view = rules.view;
    let tree = |name: &NodeName| tree_of(view, name);
    let Some(slot) = view.node_slot(bound.node) else { return };
    grounds.trees.extend(tree(&slot.name));
    match via {
        Via::User | Via::Anyone => {}
        Via::Group(group) => grounds.trees.extend(view.group_slot(group).and_then(|group| tree(&group.name.organization()))),
        Via::Organization(organization) => grounds.trees.extend(view.node_slot(organization).and_then(|slot| tree(&slot.name))),
    }
    grounds.expires = earliest(grounds.expires, earliest(bound.expires, rules.sponsor_expiry(bound)));
    grounds.trees.extend(bound.sponsor.as_deref().and_then(|sponsor| sponsor_tree(view, sponsor)));
    let on_path = asked.steps().iter().position(|step| step.id == Some(bound.node));
    let aside = Path::of(view, &slot.name);
    let (path, at) = on_path.map_or((&aside, 0), |at| (asked, at));
    let Some(index) = rules.installed.role_index(bound.role) else { return };
    let mut required = Vec::new();
    rules.each_held(subject, path, at, index, &mut Circle::new(), &mut |_, role, held| {
        if !role.requires.is_empty() {
            required.extend(rules.required_by(subject, path, held, &role.requires, &mut Circle::new()));
        }
        false
    });
    // This ends: a model whose roles require each other in a circle is refused.
    for (other, _) in required {
        rest_on_binding(rules, subject, asked, other, subject.via(other), grounds);
    }
}
