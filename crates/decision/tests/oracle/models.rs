//! Random role models that validate: everything at once, then whatever the findings point at is taken out again.

use std::collections::BTreeMap;

use decision::{document::*, reserved, validate::validate};
use serde_json::json;

use crate::random::Random;

pub(crate) const LEAVES: [&str; 3] = ["campaign", "creative", "deal"];
pub(crate) const TYPES: [&str; 6] = ["organization", "workspace", "account", "campaign", "creative", "deal"];
const COMPONENTS: [&str; 4] = ["c0", "c1", "c2", "c3"];
const ROLES: usize = 9;

/// A model of this id; the same id comes out different every time.
pub(crate) fn random_model(random: &mut Random, id: &str) -> Document {
    loop {
        let mut document = draft(random, id);
        for _ in 0..60 {
            let findings = validate(&document);
            if findings.is_empty() {
                return document;
            }
            for finding in findings.iter().rev() {
                repair(&mut document, &finding.path);
            }
        }
    }
}

fn draft(random: &mut Random, id: &str) -> Document {
    let components: Vec<Component> = COMPONENTS
        .iter()
        .map(|id| Component {
            id: (*id).into(),
            levels: random.pick(&[vec![], vec![], vec![Level::View], vec![Level::Edit], vec![Level::View, Level::Edit]]).clone(),
            ..Component::default()
        })
        .collect();
    let permissions = permissions(random, &components);
    let names: Vec<String> = permissions.iter().map(|permission| permission.id.clone()).collect();
    let conditions = conditions(random);
    Document {
        model: id.into(),
        types: types(random),
        components,
        roles: roles(random, &names, &conditions),
        permissions,
        conditions,
        custom_roles: random.chance(85).then(|| CustomRoles {
            held_at: if random.chance(70) { TYPES.map(String::from).to_vec() } else { random.some(&TYPES.map(String::from), 60) },
            assign_with: "access.get".into(),
            component_map: map_rule(random),
            principals: principals(random),
            ..CustomRoles::default()
        }),
        ceilings: Ceilings { unset: if random.chance(30) { Unset::Nothing } else { Unset::Everything } },
        ..Document::default()
    }
}

fn types(random: &mut Random) -> Vec<TypeRule> {
    let attributes = [("live", ValueType::Bool), ("budget", ValueType::Int), ("tier", ValueType::String), ("tags", ValueType::StringList)];
    let mut types = Vec::new();
    for id in TYPES {
        let leaf = LEAVES.contains(&id);
        let mut rule = TypeRule { id: id.into(), ..TypeRule::default() };
        if leaf {
            rule.collection = format!("{id}s");
            rule.parents = random.some(&["organization", "workspace", "account"].map(String::from), 65);
            if rule.parents.is_empty() {
                rule.parents.push("account".into());
            }
        }
        for (attribute, value_type) in attributes {
            if random.chance(if leaf { 75 } else { 35 }) {
                let source = if random.chance(50) { AttributeSource::Stored } else { AttributeSource::Request };
                rule.attributes.push(Attribute { id: attribute.into(), value_type, source });
            }
        }
        if leaf || !rule.attributes.is_empty() {
            types.push(rule);
        }
    }
    types
}

fn permissions(random: &mut Random, components: &[Component]) -> Vec<Permission> {
    let mut permissions: Vec<Permission> = Vec::new();
    for component in components {
        for action in 0..3 {
            if action == 2 && random.chance(40) {
                continue;
            }
            let levels = if component.levels.is_empty() { &[Level::View, Level::Edit][..] } else { &component.levels };
            let mut types = random.some(&TYPES.map(String::from), 45);
            if types.is_empty() {
                types.push("organization".into());
            }
            permissions.push(Permission {
                id: format!("{}.a{action}", component.id),
                level: *random.pick(levels),
                types,
                ..Permission::default()
            });
        }
    }
    // A permission of one's own in a reserved component is exempt from ceilings and maps as the reserved ones are.
    if random.chance(40) {
        permissions.push(Permission {
            id: "workspaces.enter".into(),
            types: vec!["workspace".into(), "account".into()],
            ..Permission::default()
        });
    }
    for permission in reserved::permissions() {
        if random.chance(8) {
            let types = if random.chance(30) { vec!["organization".into(), "campaign".into()] } else { Vec::new() };
            permissions.push(Permission { id: permission.id.into(), types, ..Permission::default() });
        }
    }
    let names: Vec<String> =
        permissions.iter().map(|permission| permission.id.clone()).chain(["organization.get".into(), "access.get".into()]).collect();
    let count = permissions.len();
    for (index, permission) in permissions.iter_mut().enumerate() {
        permission.nobody = random.chance(5);
        if random.chance(15) {
            permission.kinds = random.some(&["marketer", "publisher", "mixed"].map(String::from), 50);
        }
        permission.needs.active_account = random.chance(12);
        if random.chance(12) {
            permission.needs.organization_has = (0..1 + random.below(3)).map(|_| format!("r{}", random.below(ROLES))).collect();
        }
        // Later ones only, so that there is no circle to begin with.
        while index + 1 < count && random.chance(25) {
            permission.implies.push(names[index + 1 + random.below(names.len() - index - 1)].clone());
        }
    }
    permissions
}

fn conditions(random: &mut Random) -> Vec<Condition> {
    let defaults: [(&str, serde_json::Value); 4] =
        [("live", json!(false)), ("budget", json!(3)), ("tier", json!("gold")), ("tags", json!(["a"]))];
    let sources = [
        ("not-live", "!resource.live", vec!["live"], vec![]),
        ("tier-is", "resource.tier == params.tier", vec!["tier"], vec![("tier", ValueType::String)]),
        ("small", "resource.budget <= params.most", vec!["budget"], vec![("most", ValueType::Int)]),
        ("share", "10 / resource.budget > 1", vec!["budget"], vec![]),
        ("tagged", "params.tags.all(t, t in resource.tags)", vec!["tags"], vec![("tags", ValueType::StringList)]),
        ("mine", "principal.id == params.who", vec![], vec![("who", ValueType::String)]),
        ("either", "resource.live || resource.tier == 'gold'", vec!["live", "tier"], vec![]),
        ("number", "resource.budget", vec!["budget"], vec![]),
        ("always", "true", vec![], vec![]),
    ];
    let mut conditions = Vec::new();
    for (id, expression, attributes, parameters) in sources {
        if random.chance(40) && id != "always" {
            continue;
        }
        let attributes = attributes.into_iter().map(|id| {
            let default = defaults.iter().find(|(known, _)| *known == id).map(|(_, value)| value.clone());
            ConditionAttribute { id: id.into(), default: default.filter(|_| random.chance(35)) }
        });
        conditions.push(Condition {
            id: id.into(),
            expression: expression.into(),
            attributes: attributes.collect(),
            parameters: parameters.into_iter().map(|(id, value_type)| Parameter { id: id.into(), value_type }).collect(),
            ..Condition::default()
        });
    }
    conditions
}

/// A use of a condition with good parameters.
pub(crate) fn condition_use(random: &mut Random, conditions: &[Condition]) -> ConditionUse {
    let condition = random.pick(conditions);
    let value = |random: &mut Random, value_type| match value_type {
        ValueType::String => json!(*random.pick(&["gold", "tin", "u0", "u1"])),
        ValueType::Bool => json!(random.chance(50)),
        ValueType::Int => json!(random.below(6)),
        ValueType::StringList => json!(random.some(&["a", "b"], 50)),
    };
    let params = condition.parameters.iter().map(|parameter| (parameter.id.clone(), value(random, parameter.value_type))).collect();
    ConditionUse { id: condition.id.clone(), params }
}

fn roles(random: &mut Random, permissions: &[String], conditions: &[Condition]) -> Vec<Role> {
    let mut roles: Vec<Role> = (0..ROLES).map(|index| role(random, index, permissions, conditions)).collect();
    let depth = |role: &Role| ["organization", "workspace", "account"].iter().position(|id| role.held_at == *id).unwrap_or(3);
    for index in 0..ROLES {
        // Mostly roles below, and any with customers; what makes no sense or a circle is taken out again.
        while random.chance(if roles[index].grants.is_empty() { 75 } else { 25 }) {
            let other = random.below(ROLES);
            if depth(&roles[other]) > depth(&roles[index]) || random.chance(10) {
                roles[index].implies.push(ImpliedRole { role: format!("r{other}"), through_customers: random.chance(50) });
                roles[index].component_map = MapRule::Forbidden;
                roles[other].component_map = MapRule::Forbidden;
            }
        }
        if random.chance(30) {
            let other = random.below(ROLES);
            if depth(&roles[other]) <= depth(&roles[index]) {
                roles[index].requires = vec![format!("r{other}"), format!("r{}", random.below(ROLES))];
            }
        }
    }
    roles
}

fn role(random: &mut Random, index: usize, permissions: &[String], conditions: &[Condition]) -> Role {
    let held_at =
        *random.pick(&["organization", "organization", "organization", "workspace", "workspace", "account", "account", "campaign", "deal"]);
    // A role of implied ones alone shows that it is they that give.
    let grants =
        if random.chance(20) { Vec::new() } else { (0..1 + random.below(3)).map(|_| grant(random, permissions, conditions)).collect() };
    let mut role = Role { id: format!("r{index}"), held_at: held_at.into(), grants, ..Role::default() };
    role.organizations =
        *random.pick(&[OrganizationScope::Any, OrganizationScope::Any, OrganizationScope::Roots, OrganizationScope::Customers]);
    role.principals = principals(random);
    if random.chance(50) {
        role.upward = random.some(permissions, 20);
        role.upward.push("organization.get".into());
    }
    if random.chance(10) {
        role.exclusive = format!("set-{held_at}");
    }
    if random.chance(10) {
        role.seats = Seats { least: random.below(2) as u32, most: 5 };
    }
    role.component_map = map_rule(random);
    role
}

fn map_rule(random: &mut Random) -> MapRule {
    *random.pick(&[MapRule::Forbidden, MapRule::Forbidden, MapRule::Forbidden, MapRule::Optional, MapRule::Required])
}

fn principals(random: &mut Random) -> Vec<PrincipalKind> {
    let kinds = [PrincipalKind::User, PrincipalKind::Group, PrincipalKind::Organization, PrincipalKind::Anyone];
    if random.chance(50) { Vec::new() } else { random.some(&kinds, 70) }
}

/// A grant; a system role's still has to be made to fit.
pub(crate) fn grant(random: &mut Random, permissions: &[String], conditions: &[Condition]) -> Grant {
    let mut grant = Grant::default();
    if random.chance(60) {
        grant.permissions = random.some(permissions, 35);
        grant.permissions.extend(reserved::permissions().iter().filter(|_| random.chance(6)).map(|permission| permission.id.to_owned()));
    }
    for component in COMPONENTS.into_iter().chain(["workspaces", "organization", "access"]) {
        if random.chance(25) {
            grant.components.insert(component.into(), *random.pick(&[Level::None, Level::View, Level::Edit, Level::Edit]));
        }
    }
    if random.chance(55) {
        let level = *random.pick(&[Level::View, Level::Edit, Level::Edit]);
        grant.everything = Some(Everything { level, except: random.some(&COMPONENTS.map(String::from), 15) });
    }
    if random.chance(25) {
        grant.types = random.some(&TYPES.map(String::from), 60);
    }
    if random.chance(25) {
        grant.condition = Some(condition_use(random, conditions));
    }
    grant.through_customers = random.chance(65);
    grant
}

/// A component map.
pub(crate) fn component_map(random: &mut Random) -> BTreeMap<String, Level> {
    let mut level = |id: &str| (id.to_owned(), *random.pick(&[Level::None, Level::View, Level::Edit, Level::Edit, Level::Edit]));
    let mut map: BTreeMap<String, Level> = COMPONENTS.into_iter().map(&mut level).collect();
    map.retain(|_, _| random.chance(75));
    map
}

/// A ceiling.
pub(crate) fn components(random: &mut Random) -> Vec<String> {
    random.some(&COMPONENTS.map(String::from), 75)
}

/// The index in `name[7]`.
fn index(segment: &str, name: &str) -> Option<usize> {
    segment.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// Takes out what a finding is about.
fn repair(document: &mut Document, path: &str) {
    let segments: Vec<&str> = path.split('.').collect();
    let field = |at: usize| segments.get(at).copied().unwrap_or_default();
    let entry = |at: usize| field(at).split('[').next().unwrap_or_default();
    let number = |at: usize| index(field(at), entry(at));
    let take = |list: &mut Vec<String>, at: Option<usize>| match at {
        Some(at) if at < list.len() => drop(list.remove(at)),
        _ => list.clear(),
    };
    if let Some(permission) = index(field(0), "permissions").and_then(|at| document.permissions.get_mut(at)) {
        match entry(1) {
            "implies" => take(&mut permission.implies, number(1)),
            "needs" => take(&mut permission.needs.organization_has, number(2)),
            "kinds" => permission.kinds.clear(),
            "level" => permission.level = Level::Edit,
            other => panic!("{path}: {other}"),
        }
    } else if let Some(role) = index(field(0), "roles").and_then(|at| document.roles.get_mut(at)) {
        match (entry(1), number(1)) {
            ("grants", Some(at)) if at < role.grants.len() => {
                let grant = &mut role.grants[at];
                match entry(2) {
                    "permissions" => take(&mut grant.permissions, number(2)),
                    "types" => take(&mut grant.types, number(2)),
                    "components" => drop(grant.components.remove(field(3))),
                    "condition" => grant.condition = None,
                    "through_customers" => grant.through_customers = false,
                    _ => drop(role.grants.remove(at)),
                }
            }
            ("grants", _) => {}
            ("upward", at) => take(&mut role.upward, at),
            ("implies", Some(at)) if at < role.implies.len() => drop(role.implies.remove(at)),
            ("implies", _) => role.implies.clear(),
            ("requires", at) => take(&mut role.requires, at),
            ("principals", _) => role.principals = vec![PrincipalKind::User],
            ("organizations", _) => role.organizations = OrganizationScope::Any,
            ("exclusive", _) => role.exclusive.clear(),
            ("seats", _) => role.seats = Seats::default(),
            (other, _) => panic!("{path}: {other}"),
        }
    } else if field(0) == "custom_roles" {
        document.custom_roles = None;
    } else if let Some(condition) = index(field(0), "conditions") {
        document.conditions[condition].attributes.clear();
        document.conditions[condition].expression = "true".into();
    } else {
        panic!("{path}");
    }
}
