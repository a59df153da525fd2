//! `tenantry import`: good rows and bad ones, killed in the middle on either side, and gone on with.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use api::directory::v1::{ListAuditEntriesRequest, ListUsersRequest};
use tests::installation::{Installation, Layout, Store, tenantry};

/// So many users, each with a role: more than a second's work, after which there is something to go on with.
const USERS: usize = 3_000;

fn rows(users: usize) -> String {
    let mut text = String::new();
    for organization in ["acme", "globex"] {
        let fields = format!(r#""display_name": "{organization}", "role_model": "roleModels/brand-studio""#);
        writeln!(text, r#"{{"organization": {{"name": "organizations/{organization}", {fields}}}}}"#).unwrap();
    }
    for number in 0..users {
        let organization = if number % 2 == 0 { "acme" } else { "globex" };
        let role = if number < 2 { "organizational-admin" } else { "organizational-standard" };
        writeln!(text, r#"{{"user": {{"name": "users/u{number}", "email": "u{number}@example.com"}}}}"#).unwrap();
        let binding = format!(r#""role": "roleModels/brand-studio/roles/{role}", "node": "organizations/{organization}""#);
        writeln!(text, r#"{{"role_binding": {{"principal": "users/u{number}", {binding}}}}}"#).unwrap();
    }
    text
}

fn import(installation: &Installation, file: &Path, more: &[&str]) -> Command {
    let mut command = tenantry();
    command.arg("import").arg(file).args(["--address", installation.address()]).args(more).stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> (i32, String) {
    let output = command.output().expect("tenantry runs");
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn beside(file: &Path, extension: &str) -> PathBuf {
    PathBuf::from(format!("{}.{extension}", file.display()))
}

/// Starts an import, and waits until some of it is done and written down.
fn begin(installation: &Installation, file: &Path) -> Child {
    let mut child = import(installation, file, &[]).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while !beside(file, "checkpoint").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted: take more rows");
        assert!(Instant::now() < end, "no checkpoint was written");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// Everything is there once: each user and each binding was created by one entry of the trail.
async fn everything_is_there_once(installation: &Installation, users: usize) {
    for (action, expected) in [("users.create", users), ("role_bindings.create", users), ("organization.create", 2)] {
        let mut resources = Vec::new();
        let mut request = ListAuditEntriesRequest { action: action.into(), page_size: 1000, ..Default::default() };
        loop {
            let page = installation.platform().audit().list_audit_entries(request.clone()).await.unwrap().into_inner();
            resources.extend(page.audit_entries.into_iter().map(|entry| entry.resource));
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        assert_eq!(resources.len(), expected, "{action}");
        resources.sort();
        resources.dedup();
        assert_eq!(resources.len(), expected, "{action}: something was created twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_rows_are_done_and_bad_ones_reported_and_a_dry_run_writes_nothing() {
    let installation = Installation::start(Layout::One, Store::Sqlite);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("world.ndjson");
    let bad = r#"{"user": {"name": "users/nobody"}}
{"member": {"name": "organizations/acme/members/u1", "state": "STATE_SUSPENDED"}}
{"member": {"name": "organizations/acme/members/u1", "roles": [{"role": "roleModels/brand-studio/roles/organizational-standard"}]}}
{"user": {"nmae": "users/nobody"}}
{"role_binding": {"principal": "users/ghost", "role": "roleModels/brand-studio/roles/organizational-standard", "node": "organizations/acme"}}
"#;
    std::fs::write(&file, format!("{}{bad}", rows(10))).unwrap();

    let (code, said) = run(&mut import(&installation, &file, &["--dry-run"]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("nothing was written") && said.contains("12 would be done"), "{said}");
    let users = installation.platform().users().list_users(ListUsersRequest::default()).await.unwrap().into_inner().users;
    assert!(users.is_empty() && !beside(&file, "checkpoint").exists());

    let (code, said) = run(&mut import(&installation, &file, &[]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("22 done, 0 unchanged, 5 refused"), "{said}");
    let report = std::fs::read_to_string(beside(&file, "refused.csv")).unwrap();
    let lines: Vec<&str> = report.lines().collect();
    assert_eq!(lines.len(), 6, "{report}");
    assert_eq!(lines[0], "row,name,field,reason,message");
    assert!(lines[1].starts_with("23,,user.email,INVALID_FIELD,"), "{report}");
    assert!(lines[2].starts_with("24,,member.state,INVALID_FIELD,") && lines[3].starts_with("25,,member.roles,INVALID_FIELD,"), "{report}");
    assert!(lines[4].starts_with("26,,,INVALID_FIELD,") && lines[4].contains("nmae"), "{report}");
    assert!(lines[5].starts_with("27,organizations/acme/roleBindings/i-") && lines[5].contains(",NOT_FOUND,"), "{report}");
    assert!(!beside(&file, "checkpoint").exists(), "there is nothing to go on with");
    everything_is_there_once(&installation, 10).await;

    // A CSV file, and the same rows again.
    let csv = folder.path().join("users.csv");
    std::fs::write(&csv, "name,email,display_name\nusers/u1,u1@example.com,\nusers/new,new@example.com,\"New, here\"\n").unwrap();
    let (code, said) = run(&mut import(&installation, &csv, &[]));
    assert!(code == 0 && said.contains("1 done, 1 unchanged, 0 refused"), "{code} {said}");
    assert!(!beside(&csv, "refused.csv").exists());

    // What is exported imports elsewhere, and is exported there as it was.
    let export = |installation: &Installation| {
        let output = tenantry().args(["export", "--address", installation.address()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let exported = export(&installation);
    let other = Installation::start(Layout::One, Store::Sqlite);
    let copy = folder.path().join("copy.ndjson");
    std::fs::write(&copy, &exported).unwrap();
    let (code, said) = run(&mut import(&other, &copy, &[]));
    assert_eq!(code, 0, "{said}");
    assert_eq!(export(&other), exported);

    let about = ["audit", "acme", "--actor", "platform", "--action", "role_bindings.", "--address", other.address()];
    let shown = tenantry().args(about).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.starts_with("TIME ") && shown.lines().count() == 6 && shown.contains("principal=\"users/u0\""), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_killed_goes_on_where_it_was() {
    let installation = Installation::start(Layout::One, Store::Sqlite);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("world.ndjson");
    std::fs::write(&file, format!("{}{{\"user\": {{}}}}\n", rows(USERS))).unwrap();
    let mut child = begin(&installation, &file);
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = std::fs::read_to_string(beside(&file, "checkpoint")).unwrap();
    // Another file is not gone on with.
    std::fs::write(&file, format!("{}{{\"user\": {{}}}}\n\n", rows(USERS))).unwrap();
    let (code, said) = run(&mut import(&installation, &file, &[]));
    assert!(code == 64 && said.contains("--restart"), "{code} {said} {kept}");
    std::fs::write(&file, format!("{}{{\"user\": {{}}}}\n", rows(USERS))).unwrap();
    let (code, said) = run(&mut import(&installation, &file, &[]));
    assert!(code == 1 && said.contains("going on after row") && said.contains("1 refused"), "{code} {said}");
    let report = std::fs::read_to_string(beside(&file, "refused.csv")).unwrap();
    assert_eq!(report.lines().count(), 2, "each refused row is reported once: {report}");
    everything_is_there_once(&installation, USERS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_outlives_its_server() {
    let store = Store::postgres().await;
    let mut installation = Installation::start(Layout::One, store);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("world.ndjson");
    std::fs::write(&file, rows(USERS)).unwrap();
    let child = begin(&installation, &file);
    installation.kill();
    std::thread::sleep(Duration::from_millis(500));
    installation.restart();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(" 0 refused"), "{said}");
    everything_is_there_once(&installation, USERS).await;
}
