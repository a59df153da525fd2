//! Random worlds: an agency's tree with customers, another root, and everything that can be in them.

use std::collections::BTreeMap;

use decision::{
    decision::Query,
    document::{AttributeSource, ConditionUse, Document, MapRule, PrincipalKind},
    name::*,
    record::*,
    reserved,
};
use serde_json::json;

use crate::{
    models::{self, LEAVES, TYPES},
    random::Random,
};

pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000_000);
const USERS: [&str; 4] = ["u0", "u1", "u2", "u3"];
const ORGANIZATIONS: [&str; 6] = ["agency", "c1", "c2", "c3", "other", "lost"];

/// Records, each key once, and what is worth asking about.
pub(crate) struct World {
    pub records: Vec<Record>,
    /// The role models that trees are pinned to.
    pub documents: Vec<Document>,
}

pub(crate) fn node_name(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

/// The nodes that records and questions are about, registered or not.
fn node_names(random: &mut Random) -> NodeName {
    let organization = format!("organizations/{}", if random.chance(98) { *random.pick(&ORGANIZATIONS[..5]) } else { "lost" });
    let container = match random.below(10) {
        0..=3 => organization,
        4..=5 => format!("{organization}/workspaces/w{}", random.below(2)),
        6..=8 => format!("{organization}/accounts/a{}", random.below(3)),
        _ if random.chance(15) => format!("{organization}/accounts/nowhere"),
        _ => format!("{organization}/workspaces/w0"),
    };
    if random.chance(50) { node_name(&container) } else { node_name(&format!("{container}/{}s/{}", random.pick(&LEAVES), random.below(2))) }
}

fn type_word(name: &NodeName) -> String {
    match name.kind() {
        NodeKind::Organization => "organization".into(),
        NodeKind::Workspace => "workspace".into(),
        NodeKind::Account => "account".into(),
        NodeKind::Leaf { collection } => collection.trim_end_matches('s').into(),
    }
}

fn user(random: &mut Random) -> UserName {
    UserName::parse(&format!("users/{}", random.pick(&USERS))).unwrap()
}

fn around_now(random: &mut Random) -> Option<Timestamp> {
    random.chance(30).then(|| Timestamp(NOW.0 + *random.pick(&[-5, 0, 1, 1_000_000, 1_000_000])))
}

fn values(random: &mut Random) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for id in ["live", "budget", "tier", "tags"] {
        if random.chance(75) {
            values.insert(id.into(), value(random, id));
        }
    }
    values
}

fn value(random: &mut Random, id: &str) -> Value {
    match id {
        "live" => Value::Bool(random.chance(50)),
        "budget" => Value::Int(random.below(5) as i64),
        "tier" => Value::String((*random.pick(&["gold", "tin"])).into()),
        _ => Value::StringList(random.some(&["a", "b"].map(String::from), 60)),
    }
}

/// Role models for a world's trees.
pub(crate) fn random_documents(random: &mut Random) -> Vec<Document> {
    let mut documents = vec![models::random_model(random, "m0")];
    if random.chance(30) {
        documents.push(models::random_model(random, "m1"));
    }
    documents
}

pub(crate) fn random_world(random: &mut Random, documents: Vec<Document>) -> World {
    let mut records: Vec<Record> = Vec::new();
    let mut pinned = Vec::new();
    for document in &documents {
        pinned.push(revisions(random, document, &mut records));
    }
    let trouble = if random.chance(55) { 0 } else { 6 };
    nodes(random, &pinned, trouble, &mut records);
    people(random, &mut records);
    custom_roles(random, &documents[0], &mut records);
    partnerships(random, &documents[0], &mut records);
    for index in 0..60 + random.below(30) {
        let binding = binding(random, index, &documents[0], &records);
        if random.chance(70) {
            records.extend(required(random, &binding, &documents[0]).map(Record::Binding));
        }
        records.push(Record::Binding(binding));
    }
    // The last record of a key counts; where one was made twice, keep the last.
    let latest: BTreeMap<String, Record> = records.into_iter().map(|record| (record.key(), record)).collect();
    World { records: latest.into_values().collect(), documents }
}

/// The revisions of a model; answers with the pinned one.
fn revisions(random: &mut Random, document: &Document, records: &mut Vec<Record>) -> (String, u32) {
    let mut add = |revision, document: Document| {
        records.push(Record::ModelRevision(ModelRevision { model: document.model.clone(), revision, document }))
    };
    let mut earlier = document.clone();
    for id in ["c0.old", "c1.old"] {
        earlier.permissions.push(decision::document::Permission {
            id: id.into(),
            types: TYPES.map(String::from).to_vec(),
            ..Default::default()
        });
    }
    earlier.components.iter_mut().for_each(|component| component.levels.clear());
    add(1, earlier.clone());
    add(3, document.clone());
    if random.chance(50) {
        let mut broken = document.clone();
        broken.roles[0].held_at = "nowhere".into();
        broken.permissions.push(decision::document::Permission {
            id: "c0.broken".into(),
            types: vec!["account".into()],
            ..Default::default()
        });
        add(2, broken);
    }
    let mut later = document.clone();
    let types = TYPES.map(String::from).to_vec();
    later.permissions.push(decision::document::Permission { id: "organization.later".into(), types, ..Default::default() });
    later.roles.iter_mut().for_each(|role| role.grants.truncate(1));
    add(4, later);
    let pinned = match random.below(80) {
        0 => 2,
        1 => 9,
        _ => 3,
    };
    (document.model.clone(), pinned)
}

fn nodes(random: &mut Random, pinned: &[(String, u32)], trouble: u64, records: &mut Vec<Record>) {
    let parents = [
        ("agency", None),
        ("c1", Some("organizations/agency/workspaces/w0")),
        ("c2", Some("organizations/agency/workspaces/w1")),
        ("c3", Some("organizations/c1/workspaces/w0")),
        ("other", None),
    ];
    for (id, parent) in parents {
        let organization = format!("organizations/{id}");
        let mut node = blank(random, &organization, trouble);
        node.parent = parent.map(node_name);
        node.kind = *random.pick(&[OrganizationKind::Marketer, OrganizationKind::Publisher, OrganizationKind::Mixed]);
        if parent.is_none() {
            node.model = Some(if id == "other" { random.pick(pinned).clone() } else { pinned[0].clone() });
        }
        // Parents that cannot be followed, a root without a model, and a circle of customers.
        if trouble > 0 {
            match (id, random.below(60)) {
                ("c2", 0) => node.parent = Some(node_name("organizations/agency/workspaces/nowhere")),
                ("other", 1) => node.model = None,
                ("c1", 2) => node.parent = Some(node_name("organizations/c3/workspaces/w1")),
                ("c2", 3) => node.parent = Some(node_name("organizations/agency/accounts/a0")),
                _ => {}
            }
        }
        if parent.is_some() && random.chance(45) || random.chance(3) {
            node.ceiling = Some(models::components(random).into_iter().collect());
        }
        records.push(Record::Node(node));
        for (container, parent) in [
            ("workspaces/w0", organization.clone()),
            ("workspaces/w1", organization.clone()),
            ("accounts/a0", organization.clone()),
            ("accounts/a1", format!("{organization}/workspaces/w0")),
            (
                "accounts/a2",
                random.pick(&[&organization, "organizations/agency", &organization, &organization]).to_string()
                    + *random.pick(&["/workspaces/w1", "/workspaces/w1", "/workspaces/w1", "/workspaces/nowhere"]),
            ),
        ] {
            let mut node = blank(random, &format!("{organization}/{container}"), trouble);
            node.parent = Some(node_name(&parent));
            node.paused = container.starts_with("accounts") && random.chance(25);
            if random.chance(5) {
                node.ceiling = Some(models::components(random).into_iter().collect());
            }
            if random.chance(98) {
                records.push(Record::Node(node));
            }
        }
    }
    for _ in 0..20 {
        let name = node_names(random);
        if !name.is_container() {
            let mut node = blank(random, name.as_str(), trouble);
            if random.chance(2) {
                node.ceiling = Some(models::components(random).into_iter().collect());
            }
            records.push(Record::Node(node));
        }
    }
}

fn blank(random: &mut Random, name: &str, trouble: u64) -> Node {
    let state = if random.chance(trouble) { *random.pick(&[NodeState::Suspended, NodeState::Deleted]) } else { NodeState::Active };
    let attributes = values(random);
    Node {
        name: node_name(name),
        parent: None,
        state,
        paused: false,
        kind: OrganizationKind::default(),
        model: None,
        ceiling: None,
        attributes,
    }
}

fn people(random: &mut Random, records: &mut Vec<Record>) {
    for id in USERS {
        if random.chance(97) {
            let confined_to = random.chance(15).then(|| node_name(&format!("organizations/{}", random.pick(&ORGANIZATIONS))));
            let name = UserName::parse(&format!("users/{id}")).unwrap();
            records.push(Record::User(User { name, suspended: random.chance(4), confined_to }));
        }
    }
    for organization in &ORGANIZATIONS[..5] {
        for id in USERS {
            if random.chance(75) {
                let name = MemberName::parse(&format!("organizations/{organization}/members/{id}")).unwrap();
                records.push(Record::Member(Member { name, suspended: random.chance(10) }));
            }
        }
        let group = |n: usize| GroupName::parse(&format!("organizations/{organization}/groups/g{n}")).unwrap();
        for _ in 0..6 {
            let member = if random.chance(50) { GroupMember::User(user(random)) } else { GroupMember::Group(group(random.below(3))) };
            records.push(Record::GroupEdge(GroupEdge { group: group(random.below(3)), member }));
        }
    }
}

fn custom_roles(random: &mut Random, document: &Document, records: &mut Vec<Record>) {
    let permissions: Vec<String> = document.permissions.iter().map(|permission| permission.id.clone()).collect();
    for organization in &ORGANIZATIONS[..5] {
        for index in 0..2 {
            let name = RoleName::parse(&format!("organizations/{organization}/roles/k{index}")).unwrap();
            let mut grants: Vec<_> = (0..1 + random.below(2)).map(|_| models::grant(random, &permissions, &document.conditions)).collect();
            for grant in &mut grants {
                if random.chance(5) {
                    grant.condition = Some(ConditionUse { id: "unheard-of".into(), ..ConditionUse::default() });
                }
            }
            let held_at = (*random.pick(&["organization", "workspace", "account", "account", "campaign"])).into();
            records.push(Record::CustomRole(CustomRole { name, held_at, grants }));
        }
    }
}

fn role_names(document: &Document, organization: &str) -> Vec<RoleName> {
    let system = document.roles.iter().filter_map(|role| RoleName::system(&document.model, &role.id));
    system.chain((0..2).map(|n| RoleName::parse(&format!("{organization}/roles/k{n}")).unwrap())).collect()
}

fn partnerships(random: &mut Random, document: &Document, records: &mut Vec<Record>) {
    for organization in &ORGANIZATIONS[..5] {
        for index in 0..3 {
            let from = format!("organizations/{organization}");
            let node = match random.below(10) {
                0..=5 => from.clone(),
                6..=7 => format!("{from}/accounts/a{}", random.below(3)),
                8 => format!("{from}/workspaces/w0"),
                _ => "organizations/agency".into(),
            };
            records.push(Record::Partnership(Partnership {
                name: PartnershipName::parse(&format!("{from}/partnerships/p{index}")).unwrap(),
                partner: node_name(&format!("organizations/{}", random.pick(&ORGANIZATIONS))),
                node: node_name(&node),
                roles: random.some(&role_names(document, &from), 80).into_iter().collect(),
                components: random.chance(30).then(|| models::component_map(random)),
                users: random.chance(25).then(|| (0..3).map(|_| user(random)).collect()),
                expires: around_now(random),
                accepted: random.chance(85),
            }));
        }
    }
}

fn binding(random: &mut Random, index: usize, document: &Document, records: &[Record]) -> Binding {
    let role = pick_role(random, document);
    // Mostly a node of the type that the role is held at.
    let (held_at, rule, kinds) = match role {
        Some(at) => {
            let role = &document.roles[at];
            let direct = role.seats.most > 0 || !role.exclusive.is_empty();
            (Some(role.held_at.clone()), role.component_map, if direct { vec![PrincipalKind::User] } else { role.principals.clone() })
        }
        None => (None, document.custom_roles.as_ref().map_or(MapRule::Forbidden, |custom| custom.component_map), Vec::new()),
    };
    let mut node = node_names(random);
    for _ in 0..30 {
        if held_at.as_ref().is_none_or(|held_at| type_word(&node) == *held_at) || random.chance(2) {
            break;
        }
        node = node_names(random);
    }
    let organization = node.organization();
    let role = match role {
        Some(at) if random.chance(97) => RoleName::system(&document.model, &document.roles[at].id).unwrap(),
        Some(_) => RoleName::parse("roleModels/m1/roles/r0").unwrap(),
        None => {
            let own = |record: &&Record| matches!(record, Record::CustomRole(role) if role.held_at == type_word(&node) && role.name.owner() == RoleOwner::Organization(organization.clone()));
            match records.iter().find(own) {
                Some(Record::CustomRole(role)) => role.name.clone(),
                _ => RoleName::parse(&format!("organizations/{}/roles/k0", random.pick(&ORGANIZATIONS))).unwrap(),
            }
        }
    };
    let kind = match kinds.as_slice() {
        kinds if !kinds.is_empty() && random.chance(90) => *random.pick(kinds),
        _ => *random.pick(&[PrincipalKind::User, PrincipalKind::User, PrincipalKind::Group, PrincipalKind::Organization]),
    };
    let near = if random.chance(80) { organization.clone() } else { node_name(&format!("organizations/{}", random.pick(&ORGANIZATIONS))) };
    let principal = match kind {
        PrincipalKind::User => Principal::User(user(random)),
        PrincipalKind::Group => Principal::Group(GroupName::parse(&format!("{near}/groups/g{}", random.below(3))).unwrap()),
        PrincipalKind::Organization => Principal::Organization(near),
        PrincipalKind::Anyone => Principal::Anyone,
    };
    let with_map = match rule {
        MapRule::Forbidden => random.chance(2),
        MapRule::Optional => random.chance(50),
        MapRule::Required => random.chance(97),
    };
    Binding {
        name: BindingName::parse(&format!("{organization}/roleBindings/b{index}")).unwrap(),
        principal,
        role,
        node,
        components: with_map.then(|| models::component_map(random)),
        condition: random.chance(22).then(|| binding_condition(random, document)),
        expires: around_now(random),
        sponsor: sponsor(random, &organization),
    }
}

/// What a binding's role requires of its holder, at a node at or above.
fn required(random: &mut Random, binding: &Binding, document: &Document) -> Option<Binding> {
    let role = document.roles.iter().find(|role| role.id == binding.role.id()).filter(|role| !role.requires.is_empty())?;
    let required = random.pick(&role.requires).clone();
    let held_at = &document.roles.iter().find(|role| role.id == required)?.held_at;
    let organization = binding.node.organization();
    let node = match held_at.as_str() {
        "organization" => organization.clone(),
        "workspace" => node_name(&format!("{organization}/workspaces/w0")),
        "account" if binding.node.as_str().contains("/accounts/") => binding.node.leaf_parent().unwrap_or(binding.node.clone()),
        _ => return None,
    };
    Some(Binding {
        name: BindingName::parse(&format!("{organization}/roleBindings/{}-required", binding.name.id())).unwrap(),
        role: RoleName::system(&document.model, &required).unwrap(),
        node,
        components: None,
        condition: None,
        ..binding.clone()
    })
}

/// The index of a system role, or `None` for a custom one.
fn pick_role(random: &mut Random, document: &Document) -> Option<usize> {
    let custom = random.chance(if document.custom_roles.is_some() { 20 } else { 3 });
    (!custom).then(|| random.below(document.roles.len()))
}

fn sponsor(random: &mut Random, organization: &NodeName) -> Option<Sponsor> {
    match random.below(100) {
        0..60 => None,
        60..85 => Some(Sponsor::Partnership(PartnershipName::parse(&format!("{organization}/partnerships/p{}", random.below(3))).unwrap())),
        85..95 => {
            let above = match organization.id() {
                "c1" => "organizations/agency/workspaces/w0",
                "c2" => "organizations/agency/workspaces/w1",
                "c3" => *random.pick(&["organizations/c1/workspaces/w0", "organizations/agency/workspaces/w0"]),
                _ => "organizations/agency/workspaces/w0",
            };
            Some(Sponsor::Workspace(node_name(above)))
        }
        // Somebody else's partnership.
        _ => {
            let from = random.pick(&ORGANIZATIONS);
            Some(Sponsor::Partnership(PartnershipName::parse(&format!("organizations/{from}/partnerships/p{}", random.below(3))).unwrap()))
        }
    }
}

/// A binding's condition need not be good: unknown ones and wrong parameters are met too.
fn binding_condition(random: &mut Random, document: &Document) -> ConditionUse {
    let mut used = models::condition_use(random, &document.conditions);
    match random.below(20) {
        0 => used.id = "unheard-of".into(),
        1 => used.params.clear(),
        2 => drop(used.params.insert("more".into(), json!(1))),
        3 => used.params.values_mut().for_each(|value| *value = json!(1.5)),
        _ => {}
    }
    used
}

/// A question, mostly one that makes sense and is about somebody who holds something around there.
pub(crate) fn random_query(random: &mut Random, world: &World) -> Query {
    let document = if random.chance(92) { &world.documents[0] } else { random.pick(&world.documents) };
    let bindings: Vec<&Binding> =
        world.records.iter().filter_map(|record| if let Record::Binding(binding) = record { Some(binding) } else { None }).collect();
    let about = if bindings.is_empty() || random.chance(25) { None } else { Some(*random.pick(&bindings)) };
    let role = about.and_then(|binding| document.roles.iter().find(|role| role.id == binding.role.id()));
    let implied =
        role.into_iter().flat_map(|role| &role.implies).filter_map(|implied| document.roles.iter().find(|role| role.id == implied.role));
    let roles = role.into_iter().chain(implied);
    let named: Vec<&String> = roles.flat_map(|role| role.grants.iter().flat_map(|grant| &grant.permissions).chain(&role.upward)).collect();
    let permission = match random.below(200) {
        0 => "c0.never".into(),
        1 => "c0.old".into(),
        2 => (*random.pick(&["c0.broken", "organization.later"])).into(),
        3..16 => random.pick(reserved::permissions()).id.to_owned(),
        16..24 => "organization.get".to_owned(),
        24..150 if !named.is_empty() => (*random.pick(&named)).clone(),
        _ => random.pick(&document.permissions).id.clone(),
    };
    let declared_types = document.permissions.iter().find(|known| known.id == permission).map_or(&[][..], |known| &known.types);
    let reserved = reserved::permission(&permission).filter(|_| declared_types.is_empty());
    let near = about.map(|binding| binding.node.clone());
    let fits = |resource: &NodeName| {
        let node_type = type_word(resource);
        let parents = document.types.iter().find(|rule| rule.id == node_type).map_or(&[][..], |rule| &rule.parents);
        resource.leaf_parent().is_none_or(|parent| parents.contains(&type_word(&parent)))
            && (declared_types.contains(&node_type) || reserved.is_some_and(|reserved| reserved.types.include(&node_type)))
    };
    let is_near = |resource: &NodeName| {
        near.as_ref().is_none_or(|near| {
            let customers = ["c1", "c2", "c3"].contains(&resource.organization().id());
            *resource == *near
                || resource.as_str().starts_with(&format!("{near}/"))
                || *resource == near.organization()
                || (near.is_container() && near.organization().id() == "agency" && customers)
        })
    };
    let mut resource = node_names(random);
    for attempt in 0..60 {
        if fits(&resource) && (attempt > 40 || is_near(&resource)) || random.chance(1) {
            break;
        }
        resource = if random.chance(10) { near.clone().unwrap_or(resource) } else { node_names(random) };
    }
    if random.chance(1) {
        resource = node_name("organizations/agency/banners/1");
    }
    let user = match about.map(|binding| &binding.principal) {
        Some(Principal::User(user)) if random.chance(80) => user.clone(),
        _ if random.chance(98) => user(random),
        _ => UserName::parse("users/nobody").unwrap(),
    };
    let mut attributes = BTreeMap::new();
    if let Some(rule) = document.types.iter().find(|rule| rule.id == type_word(&resource)) {
        for attribute in rule.attributes.iter().filter(|attribute| attribute.source == AttributeSource::Request) {
            if random.chance(65) {
                attributes.insert(attribute.id.clone(), value(random, &attribute.id));
            }
        }
    }
    if random.chance(2) {
        let id = *random.pick(&["live", "tier", "colour"]);
        attributes.insert(id.into(), value(random, id));
    }
    if random.chance(2) {
        attributes.values_mut().for_each(|value| *value = Value::String("no such type".into()));
    }
    Query { user, permission, resource, attributes }
}
