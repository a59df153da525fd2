//! The same system under other names: shows that no name of a role, and of no permission but the reserved ones, stands in code.

use std::collections::BTreeMap;

use super::{Assign, Change, Corpus, Write};
use crate::{
    document::{Document, Grant, Level},
    reserved,
    world::{WorldBinding, WorldOrganization},
};

/// A role's new id; whatever stands before the id stays.
fn role(text: &mut String) {
    if !text.is_empty() {
        text.push_str("-x");
    }
}

fn component(text: &mut String) {
    if !reserved::is_component(text) {
        text.push_str("_x");
    }
}

/// A permission's: both its halves, unless reserved. A model's own permission in a reserved component changes its action.
fn permission(text: &mut String) {
    if text.is_empty() || reserved::permission(text).is_some() {
        return;
    }
    if let Some((before, action)) = text.split_once('.') {
        let mut before = before.to_owned();
        component(&mut before);
        *text = format!("{before}.{action}_x");
    }
}

fn levels(map: &mut BTreeMap<String, Level>) {
    *map = std::mem::take(map)
        .into_iter()
        .map(|(mut id, level)| {
            component(&mut id);
            (id, level)
        })
        .collect();
}

fn grants(list: &mut [Grant]) {
    for grant in list {
        grant.permissions.iter_mut().for_each(permission);
        levels(&mut grant.components);
        if let Some(everything) = &mut grant.everything {
            everything.except.iter_mut().for_each(component);
        }
    }
}

/// Renames every role, and every permission and component but the reserved ones, in a role model and in the worlds and
/// questions about it alike. Whatever was answered before must be answered now.
pub fn renamed(document: &Document, corpus: &Corpus) -> (Document, Corpus) {
    let mut document = document.clone();
    rename_document(&mut document);
    let mut corpus = corpus.clone();
    corpus.world.organizations.iter_mut().for_each(organization);
    for scenario in &mut corpus.scenarios {
        scenario.changes.iter_mut().for_each(change);
        for check in &mut scenario.checks {
            permission(&mut check.permission);
        }
        for list in &mut scenario.lists {
            permission(&mut list.permission);
        }
        for Assign { role: given, components, .. } in &mut scenario.assigns {
            role(given);
            components.iter_mut().for_each(levels);
        }
        for list in &mut scenario.role_lists {
            let renamed = |mut text| {
                role(&mut text);
                text
            };
            list.expect = std::mem::take(&mut list.expect).into_iter().map(renamed).collect();
        }
        // The slugs of sections and rows stay; the heading names roles.
        for matrix in &mut scenario.shown_matrices {
            matrix.lines.first_mut().into_iter().flat_map(|heading| heading.iter_mut().skip(2)).for_each(role);
        }
        for write in &mut scenario.writes {
            match write {
                Write::Attempt { change: tried, .. } => change(tried),
                Write::Seats { role: given, components, .. } => {
                    role(given);
                    components.iter_mut().for_each(levels);
                }
                Write::Roster { expect, .. } => {
                    for row in expect {
                        row.organization_role.iter_mut().for_each(role);
                        row.roles.iter_mut().for_each(|held| role(&mut held.role));
                    }
                }
                Write::Places { permission: given, .. } => given.iter_mut().for_each(permission),
                Write::SaveMember { roles, .. } => roles.iter_mut().for_each(|held| role(&mut held.role)),
                Write::Identity { .. } => {}
                Write::Invite { role: given, .. } | Write::InviteCustomer { role: given, .. } => role(given),
            }
        }
    }
    (document, corpus)
}

fn rename_document(document: &mut Document) {
    for declared in &mut document.components {
        component(&mut declared.id);
    }
    for declared in &mut document.permissions {
        permission(&mut declared.id);
        declared.implies.iter_mut().for_each(permission);
        declared.needs.organization_has.iter_mut().for_each(role);
    }
    for declared in &mut document.roles {
        role(&mut declared.id);
        grants(&mut declared.grants);
        declared.upward.iter_mut().for_each(permission);
        for implied in &mut declared.implies {
            role(&mut implied.role);
        }
        declared.requires.iter_mut().for_each(role);
        permission(&mut declared.assign_with);
        permission(&mut declared.invite_with);
    }
    if let Some(custom) = &mut document.custom_roles {
        permission(&mut custom.define_with);
        permission(&mut custom.assign_with);
        permission(&mut custom.invite_with);
    }
    document.membership.organization_roles.iter_mut().for_each(role);
    role(&mut document.membership.default);
    for row in document.display.sections.iter_mut().flat_map(|section| &mut section.rows) {
        row.permissions.iter_mut().for_each(permission);
    }
    document.display.roles.iter_mut().for_each(role);
    document.display.denied = std::mem::take(&mut document.display.denied)
        .into_iter()
        .map(|(mut id, rows)| {
            role(&mut id);
            (id, rows)
        })
        .collect();
}

fn ceiling(set: &mut Option<std::collections::BTreeSet<String>>) {
    *set = set.take().map(|set| {
        set.into_iter()
            .map(|mut id| {
                component(&mut id);
                id
            })
            .collect()
    });
}

fn binding(given: &mut WorldBinding) {
    // Its name was made of the role's; changes know it by that name.
    given.id = Some(given.id());
    role(&mut given.role);
    given.components.iter_mut().for_each(levels);
}

fn organization(home: &mut WorldOrganization) {
    ceiling(&mut home.ceiling);
    home.workspaces.iter_mut().for_each(|workspace| ceiling(&mut workspace.ceiling));
    home.accounts.iter_mut().for_each(|account| ceiling(&mut account.ceiling));
    for custom in &mut home.roles {
        role(&mut custom.id);
        grants(&mut custom.grants);
    }
    for partnership in &mut home.partnerships {
        partnership.roles.iter_mut().for_each(role);
        partnership.components.iter_mut().for_each(levels);
    }
    home.bindings.iter_mut().for_each(binding);
}

fn change(change: &mut Change) {
    match change {
        Change::AddBinding { binding: given, .. } => binding(given),
        Change::ChangeBinding { role: given, components, .. } => {
            given.iter_mut().for_each(role);
            components.iter_mut().for_each(levels);
        }
        Change::AddWorkspace { workspace, .. } => ceiling(&mut workspace.ceiling),
        Change::AddAccount { account, .. } => ceiling(&mut account.ceiling),
        Change::AddOrganization(home) => organization(home),
        Change::SetCeiling { components, .. } => ceiling(components),
        Change::AddCustomRole { role: custom, .. } => {
            role(&mut custom.id);
            grants(&mut custom.grants);
        }
        Change::UpdateCustomRole { role: custom, grants: given } => {
            role(custom);
            grants(given);
        }
        Change::DeleteRole(custom) => role(custom),
        Change::RemoveBinding(_)
        | Change::EndPartnership(_)
        | Change::AcceptPartnership(_)
        | Change::PauseAccount(_)
        | Change::ResumeAccount(_)
        | Change::SetAttributes { .. }
        | Change::EndResource(_)
        | Change::SuspendNode(_)
        | Change::DeleteNode(_)
        | Change::RestoreNode(_)
        | Change::SuspendUser(_)
        | Change::ReactivateUser(_)
        | Change::AddMember(_)
        | Change::SuspendMember(_)
        | Change::ReactivateMember(_)
        | Change::RemoveMember(_)
        | Change::RemoveFromGroup { .. } => {}
    }
}
