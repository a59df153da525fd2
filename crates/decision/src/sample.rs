//! A small model, and worlds made of it, that unit tests of several modules share.

use crate::{
    name::{NodeName, UserName},
    record::{ModelRevision, Record, Timestamp},
    view::View,
    world::World,
};

pub(crate) const MODEL: &str = r#"
model: sample
title: Sample
description: A model for unit tests.
types:
  - { id: campaign, title: Campaign, collection: campaigns, parents: [workspace, account], attributes: [{ id: live, type: bool, source: stored }, { id: budget, type: int, source: request }] }
components:
  - { id: campaigns, title: Campaigns }
  - { id: billing, title: Billing }
  - { id: people, title: People }
permissions:
  - { id: campaigns.view, title: View, level: view, types: [campaign, account, workspace] }
  - { id: campaigns.update, title: Update, types: [campaign, account, workspace], implies: [campaigns.view] }
  - { id: campaigns.launch, title: Launch, types: [campaign], needs: { active_account: true } }
  - { id: campaigns.fly, title: Fly, types: [campaign], nobody: true }
  - { id: billing.pay, title: Pay, types: [organization, account], kinds: [marketer, mixed] }
  - { id: people.assign, title: Assign, types: [organization, workspace, account, campaign] }
  - { id: people.admins, title: Assign admins, types: [organization] }
  - { id: people.custom, title: Define, types: [organization] }
conditions:
  - { id: not-live, title: not live, expression: "!resource.live", attributes: [{ id: live }] }
  - { id: budget-below, title: small, expression: "resource.budget < params.most", attributes: [{ id: budget }], parameters: [{ id: most, type: int }] }
roles:
  - { id: owner, title: Owner, held_at: organization, seats: { least: 1, most: 2 }, exclusive: rank, assign_with: people.admins,
      grants: [{ everything: {}, through_customers: true }, { components: { organization: edit, roles: edit, groups: edit, members: edit, partners: edit, workspaces: edit, ceilings: edit, access: edit, resources: edit }, through_customers: true }] }
  - { id: admin, title: Admin, held_at: organization, exclusive: rank, assign_with: people.admins,
      grants: [{ everything: { except: [people] }, permissions: [people.assign, people.custom], components: { organization: view, groups: edit, roles: edit, access: view } }], implies: [{ role: workspace-admin }] }
  - { id: standard, title: Standard, held_at: organization, exclusive: rank, assign_with: people.assign, grants: [{ permissions: [organization.get] }] }
  - { id: workspace-admin, title: Workspace admin, held_at: workspace, assign_with: people.assign, upward: [organization.get], contained: true,
      grants: [{ permissions: [campaigns.view, campaigns.update, people.assign, access.get] }] }
  - { id: manager, title: Manager, held_at: account, assign_with: people.assign, component_map: optional, contained: true,
      grants: [{ components: { campaigns: edit, billing: edit, people: edit } }] }
  - { id: designer, title: Designer, held_at: workspace, assign_with: people.assign, contained: true,
      grants: [{ permissions: [campaigns.view] }, { permissions: [campaigns.update], types: [campaign], condition: { id: not-live } }] }
  - { id: launcher, title: Launcher, held_at: campaign, assign_with: people.assign, requires: [designer, workspace-admin], contained: true,
      grants: [{ permissions: [campaigns.launch] }] }
custom_roles: { held_at: [account, workspace], define_with: people.custom, assign_with: people.assign, component_map: optional }
membership: { organization_roles: [owner, admin, standard], default: standard, on_grant: join, leave: true }
"#;

pub(crate) const NOW: Timestamp = Timestamp(1_000_000_000);

/// A view of a world of the sample model.
pub(crate) fn view(world: &str) -> View {
    view_of(MODEL, world)
}

/// A view of a world of another model of the same name.
pub(crate) fn view_of(model: &str, world: &str) -> View {
    let mut view = View::default();
    let document: crate::document::Document = serde_saphyr::from_str(model).unwrap();
    assert_eq!(crate::validate::validate(&document), Vec::new());
    let revision = Record::ModelRevision(ModelRevision { model: "sample".to_owned(), revision: 1, document });
    let world: World = serde_saphyr::from_str(world).unwrap();
    for record in world.records(NOW).unwrap().into_iter().chain([revision]) {
        view.apply(&record.key(), Some(record));
    }
    view
}

pub(crate) fn node(name: &str) -> NodeName {
    NodeName::parse(&format!("organizations/{name}")).unwrap()
}

pub(crate) fn user(id: &str) -> UserName {
    UserName::parse(&format!("users/{id}")).unwrap()
}
