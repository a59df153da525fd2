//! A role model that the binary has never seen works without a rebuild.

use api::{
    authz::v1::{CheckRequest, Consistency, Query, Verdict, consistency::Requirement},
    rolecatalog::v1::{PushRoleModelRequest, push_role_model_request::Source},
};
use client::world::load;
use decision::world::World;
use tests::installation::{Installation, Layout, Store};

/// A hospital: departments, wards, records, and a condition that none of the shipped models has.
const MODEL: &str = "
model: hospital
title: Hospital
types:
  - id: record
    title: Patient record
    collection: records
    parents: [workspace]
    attributes:
      - { id: treated_by, type: string_list, source: stored }
      - { id: emergency, type: bool, source: request }
components:
  - { id: records, title: Records }
  - { id: wards, title: Wards }
permissions:
  - { id: records.read, level: view, types: [record] }
  - { id: records.write, types: [record] }
  - { id: wards.run, types: [organization, workspace] }
conditions:
  - id: treating
    title: treats the patient
    expression: principal.id in resource.treated_by || resource.emergency
    attributes: [{ id: treated_by }, { id: emergency, default: false }]
roles:
  - id: chief
    held_at: organization
    seats: { least: 1, most: 2 }
    assign_with: wards.run
    grants:
      - components: { wards: edit, organization: edit, workspaces: edit, members: edit, access: edit, resources: edit }
      - components: { records: view }
      # Whoever gives a role has what it gives, under the same condition.
      - components: { records: edit }
        condition: { id: treating }
  - id: physician
    held_at: workspace
    assign_with: wards.run
    grants:
      - components: { records: edit }
        condition: { id: treating }
membership:
  on_grant: join
";

const WORLD: &str = "
users: [chen, dora, emil]
organizations:
  - id: mercy
    model: hospital
    workspaces: [{id: ward-1}, {id: ward-2}]
    resources: [{name: workspaces/ward-1/records/r1, attributes: {treated_by: [dora]}}]
    bindings:
      - {principal: chen, role: chief}
      - {principal: dora, role: physician, node: workspaces/ward-1}
      - {principal: emil, role: physician, node: workspaces/ward-1}
";

#[tokio::test]
async fn a_model_that_the_binary_has_never_seen_decides() {
    let installation = Installation::start(Layout::One, Store::Sqlite);
    let platform = installation.platform();
    let request = PushRoleModelRequest { source: Some(Source::Yaml(MODEL.into())), ..Default::default() };
    let pushed = platform.role_models().push_role_model(request).await.unwrap().into_inner();
    assert_eq!((pushed.name.as_str(), pushed.model_revision), ("roleModels/hospital", 1));
    let world: World = serde_saphyr::from_str(WORLD).unwrap();
    let loaded = load(&platform, &world).await.unwrap();

    let record = "organizations/mercy/workspaces/ward-1/records/r1";
    for (user, permission, resource, emergency, expected) in [
        ("users/chen", "records.read", record, None, Verdict::Allow),
        ("users/chen", "records.write", record, None, Verdict::Deny),
        ("users/dora", "records.write", record, None, Verdict::Allow),
        ("users/emil", "records.write", record, None, Verdict::Deny),
        ("users/emil", "records.write", record, Some(true), Verdict::Allow),
        ("users/emil", "records.write", "organizations/mercy/workspaces/ward-2/records/r1", Some(true), Verdict::Deny),
        // Whose record this is, nobody has said.
        ("users/dora", "records.write", "organizations/mercy/workspaces/ward-1/records/r9", None, Verdict::Conditional),
        ("users/dora", "wards.run", "organizations/mercy", None, Verdict::Deny),
    ] {
        let attributes = emergency.map(|value| ("emergency".to_owned(), api::document::from_json(&serde_json::Value::Bool(value))));
        let query = Query {
            user: user.into(),
            permission: permission.into(),
            resource: resource.into(),
            attributes: attributes.into_iter().collect(),
        };
        let consistency =
            Some(Consistency { requirement: Some(Requirement::AtLeastAsFresh(loaded.revision.clone())), max_staleness_ms: 0 });
        let answer = installation.session().checks().check(CheckRequest { query: Some(query), consistency }).await.unwrap().into_inner();
        assert_eq!(answer.decision.unwrap().verdict(), expected, "{user} {permission} {resource} {emergency:?}");
    }
}
