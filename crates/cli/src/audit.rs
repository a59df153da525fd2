//! `tenantry audit`: who changed what.

use std::{collections::BTreeSet, io::Write as _, process::ExitCode};

use api::{
    directory::v1::{AuditEntry, ListAuditEntriesRequest},
    document::to_json,
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use clap::Args;
use prost_types::{Struct, Timestamp};

use crate::{
    Failure,
    address::{Address, OnBehalfOf, refusal},
    ask::absolute,
    table::table,
};

/// At most so many entries a call.
const PAGE: u32 = 1000;

/// Lists the audit trail.
#[derive(Args)]
pub(crate) struct Audit {
    /// Of what: `acme`, `acme/workspaces/emea`, `users/ann`, `roleModels/agency`; left out: everything.
    node: Option<String>,
    /// Only what this user did: `users/ann` or `ann`.
    #[arg(long, value_name = "USER")]
    actor: Option<String>,
    /// Only actions that begin so: `role_bindings.`.
    #[arg(long, value_name = "PREFIX")]
    action: Option<String>,
    /// Only since then: `2026-11-24T08:00:00Z`, or so long ago: `30m`, `12h`, `7d`.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before then, likewise.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many entries, the newest.
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    limit: u32,
    #[command(flatten)]
    who: OnBehalfOf,
    #[command(flatten)]
    address: Address,
}

impl Audit {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let now = Utc::now();
        let mut request = ListAuditEntriesRequest {
            parent: self.node.as_deref().map(parent).unwrap_or_default(),
            actor: self.actor.as_deref().map(|actor| absolute("users/", actor)).unwrap_or_default(),
            action: self.action.clone().unwrap_or_default(),
            start_time: self.since.as_deref().map(|text| time(text, now)).transpose()?,
            end_time: self.until.as_deref().map(|text| time(text, now)).transpose()?,
            ..ListAuditEntriesRequest::default()
        };
        let mut client = self.who.session(&self.address)?.audit();
        let mut rows = Vec::new();
        loop {
            let left = self.limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
            request.page_size = i32::try_from(left.min(PAGE)).unwrap_or(i32::MAX);
            if left == 0 {
                break;
            }
            let page = client.list_audit_entries(request.clone()).await;
            let page = page.map_err(|status| refusal(&status, &self.address.of_directory()))?.into_inner();
            rows.extend(page.audit_entries.iter().map(row));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        // Nobody may be reading any more; that is no reason to fail.
        let _ = std::io::stdout().lock().write_all(table(["TIME", "ACTOR", "ACTION", "RESOURCE", "CHANGE"], &rows).as_bytes());
        Ok(ExitCode::SUCCESS)
    }
}

fn parent(text: &str) -> String {
    let is_outside = text.starts_with("users/") || text.starts_with("roleModels/");
    if is_outside { text.to_owned() } else { absolute("organizations/", text) }
}

/// A moment, or so long ago.
fn time(text: &str, now: DateTime<Utc>) -> Result<Timestamp, Failure> {
    let ago = || {
        let number: i64 = text.get(..text.len().checked_sub(1)?)?.parse().ok().filter(|number| *number >= 0)?;
        let length = match text.chars().last()? {
            's' => TimeDelta::try_seconds(number),
            'm' => TimeDelta::try_minutes(number),
            'h' => TimeDelta::try_hours(number),
            'd' => TimeDelta::try_days(number),
            _ => None,
        };
        now.checked_sub_signed(length?)
    };
    let moment = DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.with_timezone(&Utc)).or_else(ago);
    let moment = moment.ok_or_else(|| Failure::usage(format!("`{text}` is no time; for example `2026-11-24T08:00:00Z`, `30m` or `7d`")))?;
    Ok(Timestamp { seconds: moment.timestamp(), nanos: i32::try_from(moment.timestamp_subsec_nanos()).unwrap_or_default() })
}

fn row(entry: &AuditEntry) -> [String; 5] {
    let at = entry.create_time.as_ref().and_then(|time| DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).ok()?));
    [
        at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true)).unwrap_or_default(),
        entry.actor.clone(),
        entry.action.clone(),
        entry.resource.clone(),
        change(entry.before.as_ref(), entry.after.as_ref()),
    ]
}

/// What is otherwise: of an update the fields that changed, of what is new all that are set.
fn change(before: Option<&Struct>, after: Option<&Struct>) -> String {
    let Some(after) = after else { return "gone".to_owned() };
    let names: BTreeSet<&String> = before.into_iter().chain([after]).flat_map(|state| state.fields.keys()).collect();
    let value = |state: Option<&Struct>, name: &String| {
        state.and_then(|state| state.fields.get(name)).map(to_json).filter(|value| !value.is_null())
    };
    let text = |value: Option<serde_json::Value>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
    let changed = names.into_iter().filter_map(|name| {
        let (was, is) = (value(before, name), value(Some(after), name));
        match before {
            _ if was == is => None,
            None => Some(format!("{name}={}", text(is))),
            Some(_) => Some(format!("{name}: {} -> {}", text(was), text(is))),
        }
    });
    changed.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use api::document::from_json;
    use prost_types::value::Kind;
    use serde_json::{Value, json};

    use super::*;

    fn state(value: Value) -> Struct {
        let Some(Kind::StructValue(state)) = from_json(&value).kind else { panic!() };
        state
    }

    #[test]
    fn a_change_shows_what_is_otherwise() {
        let (old, new) = (state(json!({"name": "a", "paused": false})), state(json!({"name": "b", "paused": false, "end": null})));
        assert_eq!(change(Some(&old), Some(&new)), r#"name: "a" -> "b""#);
        assert_eq!(change(None, Some(&new)), r#"name="b", paused=false"#);
        assert_eq!(change(Some(&old), None), "gone");
    }

    #[test]
    fn times_are_moments_or_so_long_ago() {
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        let seconds = |text: &str| time(text, now).map(|time| time.seconds).ok();
        assert_eq!(seconds("1970-01-01T00:01:00Z"), Some(60));
        assert_eq!((seconds("30s"), seconds("2h"), seconds("1d")), (Some(999_970), Some(992_800), Some(913_600)));
        for wrong in ["", "h", "-1h", "1w", "yesterday", "ä"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
