use std::collections::{BTreeMap, BTreeSet};

use api::feed::v1::{MemberState, NodeState, Record as Message, RoleBindingState, UserState, record::State};
use decision::{
    document::{ConditionUse, Document, Everything, Grant, Level},
    name::{BindingName, GroupName, MemberName, NodeName, PartnershipName, Principal, RoleName, Sponsor, UserName},
    record::{
        Binding, CustomRole, GroupEdge, GroupMember, Member, ModelRevision, Node, NodeState as Lifecycle, OrganizationKind, Partnership,
        Record, Timestamp, User, Value,
    },
};

use crate::wire::{self, Change, Problem};

fn node(name: &str) -> Node {
    Node {
        name: NodeName::parse(name).unwrap(),
        parent: None,
        state: Lifecycle::Active,
        paused: false,
        kind: OrganizationKind::default(),
        model: None,
        ceiling: None,
        attributes: BTreeMap::new(),
    }
}

fn document() -> Document {
    let yaml = "
model: ads
title: Ads
types:
  - {id: campaign, collection: campaigns, parents: [account], attributes: [{id: live, type: bool, source: stored}]}
components: [{id: campaigns, levels: [view, edit]}]
permissions: [{id: campaigns.run, types: [campaign], kinds: [marketer], needs: {active_account: true, organization_has: [owner]}, implies: [campaigns.see]},
  {id: campaigns.see, level: view, types: [campaign], nobody: true}]
conditions: [{id: not-live, expression: '!resource.live', attributes: [{id: live, default: false}], parameters: [{id: days, type: int}]}]
roles:
  - {id: owner, held_at: organization, organizations: roots, principals: [user], upward: [organization.get], exclusive: org,
     implies: [{role: buyer, through_customers: true}], seats: {least: 1, most: 20}, assign_with: members.update, contained: true,
     grants: [{everything: {level: view, except: [billing]}, types: [campaign], through_customers: true}]}
  - {id: buyer, held_at: account, requires: [owner], component_map: optional, invite_with: invitations.create,
     grants: [{components: {campaigns: edit}, condition: {id: not-live, params: {days: 3}}}]}
custom_roles: {held_at: [account], define_with: roles.update, assign_with: members.update, principals: [user, anyone]}
membership: {organization_roles: [owner], default: owner, on_grant: join, permanent: true, leave: true}
ceilings: {unset: nothing}
display: {sections: [{id: s, rows: [{id: r, permissions: [campaigns.run]}]}], roles: [owner], denied: {buyer: [s/r]}}
";
    serde_saphyr::from_str(yaml).unwrap()
}

fn everything() -> Vec<Record> {
    let acme = NodeName::parse("organizations/acme").unwrap();
    let components = Some(BTreeMap::from([("campaigns".to_owned(), Level::View), ("billing".to_owned(), Level::None)]));
    vec![
        Record::Node(Node {
            model: Some(("ads".into(), 3)),
            kind: OrganizationKind::Publisher,
            ceiling: Some(BTreeSet::new()),
            state: Lifecycle::Suspended,
            ..node("organizations/acme")
        }),
        Record::Node(Node {
            parent: Some(acme.clone()),
            paused: true,
            state: Lifecycle::Deleted,
            ceiling: Some(BTreeSet::from(["campaigns".to_owned()])),
            ..node("organizations/acme/accounts/a1")
        }),
        Record::Node(Node {
            attributes: BTreeMap::from([
                ("text".to_owned(), Value::String("é".into())),
                ("flag".to_owned(), Value::Bool(false)),
                ("number".to_owned(), Value::Int(-42)),
                ("list".to_owned(), Value::StringList(vec![String::new(), "b".into()])),
                ("none".to_owned(), Value::StringList(vec![])),
            ]),
            ..node("organizations/acme/accounts/a1/campaigns/X~1")
        }),
        Record::User(User {
            name: UserName::parse("users/ann").unwrap(),
            suspended: true,
            confined_to: Some(NodeName::parse("organizations/acme").unwrap()),
        }),
        Record::Member(Member { name: MemberName::parse("organizations/acme/members/ann").unwrap(), suspended: false }),
        Record::GroupEdge(GroupEdge {
            group: GroupName::parse("organizations/acme/groups/g").unwrap(),
            member: GroupMember::Group(GroupName::parse("organizations/acme/groups/h").unwrap()),
        }),
        Record::GroupEdge(GroupEdge {
            group: GroupName::parse("organizations/acme/groups/g").unwrap(),
            member: GroupMember::User(UserName::parse("users/ann").unwrap()),
        }),
        Record::Partnership(Partnership {
            name: PartnershipName::parse("organizations/acme/partnerships/p").unwrap(),
            partner: NodeName::parse("organizations/agency").unwrap(),
            node: acme.clone(),
            roles: BTreeSet::from([RoleName::parse("roleModels/ads/roles/buyer").unwrap()]),
            components: components.clone(),
            users: Some(BTreeSet::new()),
            expires: Some(Timestamp(-1)),
            accepted: true,
        }),
        Record::Binding(Binding {
            name: BindingName::parse("organizations/acme/roleBindings/b").unwrap(),
            principal: Principal::Anyone,
            role: RoleName::parse("organizations/acme/roles/r").unwrap(),
            node: acme,
            components,
            condition: Some(ConditionUse { id: "not-live".into(), params: BTreeMap::from([("days".to_owned(), 3.into())]) }),
            expires: Some(Timestamp(1_700_000_000_123_456)),
            sponsor: Some(Sponsor::parse("organizations/agency/workspaces/w").unwrap()),
        }),
        Record::CustomRole(CustomRole {
            name: RoleName::parse("organizations/acme/roles/r").unwrap(),
            held_at: "account".into(),
            grants: vec![Grant { everything: Some(Everything::default()), through_customers: true, ..Grant::default() }],
        }),
        Record::ModelRevision(ModelRevision { model: "ads".into(), revision: 3, document: document() }),
    ]
}

#[test]
fn every_record_reads_back_as_it_was_written() {
    for record in everything() {
        let message = wire::write(&record).unwrap();
        assert_eq!(message.key, record.key());
        // Also by way of bytes.
        let bytes = prost::Message::encode_to_vec(&message);
        let message: Message = prost::Message::decode(bytes.as_slice()).unwrap();
        assert_eq!(wire::read(message).unwrap(), Change::Put(Box::new(record)));
    }
    assert_eq!(wire::read(wire::tombstone("users/ann")).unwrap(), Change::Gone);
}

#[test]
fn an_unknown_state_is_skipped_only_where_the_writer_says_so() {
    let record = |skippable_from| Message { key: "quotas/q".into(), skippable_from, state: None };
    assert_eq!(wire::read(record(wire::READER_VERSION)).unwrap(), Change::Skip);
    assert_eq!(wire::read(record(wire::READER_VERSION + 1)).unwrap_err().problem, Problem::TooNew(wire::READER_VERSION + 1));
}

#[test]
fn what_is_malformed_is_an_error_and_never_left_out() {
    let node = |state: NodeState| Message { key: "organizations/acme".into(), skippable_from: 0, state: Some(State::Node(state)) };
    let good = NodeState { lifecycle: 1, kind: "mixed".into(), role_model: "ads".into(), role_model_revision: 1, ..NodeState::default() };
    let binding = |state: RoleBindingState| Message {
        key: "organizations/acme/roleBindings/b".into(),
        skippable_from: 0,
        state: Some(State::RoleBinding(state)),
    };
    let bound = RoleBindingState {
        principal: "users/ann".into(),
        role: "roleModels/ads/roles/r".into(),
        node: "organizations/acme".into(),
        ..RoleBindingState::default()
    };
    assert!(wire::read(node(good.clone())).is_ok() && wire::read(binding(bound.clone())).is_ok());
    let number = |number| prost_types::Value { kind: Some(prost_types::value::Kind::NumberValue(number)) };
    let levels = |level: &str| api::feed::v1::ComponentLevels { levels: BTreeMap::from([("c".to_owned(), level.to_owned())]) };
    for wrong in [
        node(NodeState { lifecycle: 0, ..good.clone() }),
        node(NodeState { lifecycle: 77, ..good.clone() }),
        node(NodeState { kind: "bank".into(), ..good.clone() }),
        node(NodeState { kind: String::new(), ..good.clone() }),
        node(NodeState { role_model_revision: 0, ..good.clone() }),
        node(NodeState { role_model: String::new(), ..good.clone() }),
        node(NodeState { parent: "organizations/agency/campaigns/1".into(), ..good.clone() }),
        node(NodeState { attributes: BTreeMap::from([("a".to_owned(), number(1.5))]), ..good.clone() }),
        node(NodeState { attributes: BTreeMap::from([("a".to_owned(), prost_types::Value { kind: None })]), ..good }),
        binding(RoleBindingState { principal: "nobody".into(), ..bound.clone() }),
        binding(RoleBindingState { role: "owner".into(), ..bound.clone() }),
        binding(RoleBindingState { sponsor: "organizations/acme".into(), ..bound.clone() }),
        binding(RoleBindingState { components: Some(levels("")), ..bound.clone() }),
        binding(RoleBindingState { components: Some(levels("all")), ..bound.clone() }),
        binding(RoleBindingState { expire_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }), ..bound }),
        Message { key: "users/ANN".into(), skippable_from: 0, state: Some(State::User(UserState::default())) },
        Message { key: "users/ann".into(), skippable_from: 0, state: Some(State::Member(MemberState::default())) },
        Message { key: "roleModels/m/revisions/03".into(), ..wire::write(&everything()[10]).unwrap() },
        Message { key: "roleModels/other/revisions/3".into(), ..wire::write(&everything()[10]).unwrap() },
        Message { key: "organizations/acme/groups/g#users/bob".into(), ..wire::write(&everything()[6]).unwrap() },
    ] {
        assert!(wire::read(wrong.clone()).is_err(), "{wrong:?}");
    }
}
