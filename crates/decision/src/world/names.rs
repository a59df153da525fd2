//! Names as people write them in worlds and questions, read into whole ones.

use crate::{
    name::{MalformedName, NodeName, Principal, RoleName, Sponsor, UserName},
    record::Value,
};

/// Reads the name of a node: absolute, relative to `home`, or without its leading `organizations/`.
pub fn node_name(text: &str, home: Option<&NodeName>) -> Result<NodeName, MalformedName> {
    if text.starts_with("organizations/") {
        return NodeName::parse(text);
    }
    match home {
        Some(home) if text.is_empty() => Ok(home.clone()),
        Some(home) => match NodeName::parse(&format!("{home}/{text}")) {
            Ok(name) => Ok(name),
            Err(relative) => NodeName::parse(&format!("organizations/{text}")).map_err(|_| relative),
        },
        None => NodeName::parse(&format!("organizations/{text}")),
    }
}

/// Reads a principal: as [`Principal::parse`], or `ann`, `groups/buyers`, `acme/groups/buyers`.
pub fn principal(text: &str, home: Option<&NodeName>) -> Result<Principal, MalformedName> {
    if text == "anyone" || text.starts_with("organizations/") || text.starts_with("users/") {
        return Principal::parse(text);
    }
    match (text.contains('/'), home) {
        (false, _) => Principal::parse(&format!("users/{text}")),
        (true, Some(home)) if text.starts_with("groups/") => Principal::parse(&format!("{home}/{text}")),
        (true, _) => Principal::parse(&format!("organizations/{text}")),
    }
}

/// Reads a user's name, with or without `users/`.
pub fn user_name(text: &str) -> Result<UserName, MalformedName> {
    if text.starts_with("users/") { UserName::parse(text) } else { UserName::parse(&format!("users/{text}")) }
}

/// Reads a role's name: absolute, a system role's id, or `roles/buyer` for a custom role of `home`.
pub fn role_name(text: &str, model: &str, home: &NodeName) -> Result<RoleName, MalformedName> {
    if text.starts_with("organizations/") || text.starts_with("roleModels/") {
        RoleName::parse(text)
    } else if text.starts_with("roles/") {
        RoleName::parse(&format!("{home}/{text}"))
    } else if text.contains('/') {
        RoleName::parse(&format!("organizations/{text}"))
    } else {
        RoleName::parse(&format!("roleModels/{model}/roles/{text}"))
    }
}

/// Reads a sponsor: as [`Sponsor::parse`], or `partnerships/p1`, or `agency/workspaces/north`.
pub fn sponsor(text: &str, home: &NodeName) -> Result<Sponsor, MalformedName> {
    if text.starts_with("organizations/") {
        Sponsor::parse(text)
    } else if text.starts_with("partnerships/") {
        Sponsor::parse(&format!("{home}/{text}"))
    } else {
        Sponsor::parse(&format!("organizations/{text}"))
    }
}

/// Reads an attribute's or parameter's value; `None` for what is none.
pub fn value(json: &serde_json::Value) -> Option<Value> {
    match json {
        serde_json::Value::String(text) => Some(Value::String(text.clone())),
        serde_json::Value::Bool(flag) => Some(Value::Bool(*flag)),
        serde_json::Value::Number(number) => number.as_i64().map(Value::Int),
        serde_json::Value::Array(items) => {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>().map(Value::StringList)
        }
        serde_json::Value::Null | serde_json::Value::Object(_) => None,
    }
}
