//! The binary as a person uses it.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use tests::installation::{Installation, Layout, Process, Store, tenantry};

fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().expect("tenantry runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// The commands that `serve --demo` prints work as they are printed, and go on working after a second start on the same data.
#[test]
fn the_commands_that_a_start_prints_work_and_the_data_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let log = folder.path().join("log");
    for start in ["first", "second"] {
        let mut child = tenantry()
            .args(["serve", "all", "--demo", "--data-dir", &data, "--listen", "127.0.0.1:0", "--set", "server.drain_pause_ms=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut printed = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            printed.push(line);
            if printed.iter().filter(|line| line.starts_with("  ")).count() == 3 {
                break;
            }
        }
        let commands: Vec<&str> = printed.iter().filter_map(|line| line.strip_prefix("  ")).collect();
        assert_eq!(commands.len(), 3, "{start} start: {printed:?}\n{}", std::fs::read_to_string(&log).unwrap());
        for command in commands {
            // As printed, but for where the binaries are.
            let grpcurl = std::env::var("TENANTRY_TEST_GRPCURL").expect("TENANTRY_TEST_GRPCURL is not set: run the tests with `make test`");
            let binary = tests::installation::binary().display().to_string();
            let command = match command.split_once(' ') {
                Some(("grpcurl", rest)) => format!("{grpcurl} {rest}"),
                Some((_, rest)) => format!("{binary} {rest}"),
                None => panic!("{command}"),
            };
            let (code, stdout, stderr) = run(Command::new("sh").args(["-c", &command]));
            // What is asked is answered with yes or no.
            assert!(code == 0 || (code == 1 && stdout.contains("DENY")), "{start} start: {command}: {code} {stdout} {stderr}");
        }
        if start == "first" {
            // What the reader deletes is not made up for, and does not keep the next start from starting.
            let address = printed[0].rsplit(' ').next().unwrap();
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let platform = client::session::Session::at(address).unwrap().on_behalf_of("users/platform").unwrap();
                let request =
                    api::directory::v1::DeleteOrganizationRequest { name: "organizations/acme".into(), force: true, ..Default::default() };
                platform.organizations().delete_organization(request).await.unwrap();
            });
        }
        let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(told.success());
        assert!(child.wait().unwrap().success(), "{}", std::fs::read_to_string(&log).unwrap());
    }
}

#[test]
fn check_and_explain_answer_in_words_and_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let process = Process::serve(&["all", "--demo", "--data-dir", &data, "--listen", "127.0.0.1:0"], &folder.path().join("log")).unwrap();
    let ask = |arguments: &[&str]| run(tenantry().args(arguments).args(["--address", &process.address]));

    let (code, stdout, _) = ask(&["check", "nobody", "organization.get", "nowhere"]);
    assert_eq!((code, stdout.starts_with("DENY  RESOURCE_UNKNOWN")), (1, true), "{stdout}");
    let (code, _, stderr) = ask(&["check", "No Body", "organization.get", "nowhere"]);
    assert_eq!((code, stderr.contains("query.user")), (69, true), "{stderr}");
    let (code, stdout, _) = ask(&["explain", "nobody", "organization.get", "nowhere"]);
    assert_eq!((code, stdout.contains("gates")), (1, true), "{stdout}");
    let (code, _, stderr) = run(tenantry().args(["check", "ann", "organization.get", "acme", "--address", "http://127.0.0.1:9"]));
    assert_eq!(code, 69, "{stderr}");
}

/// Everything that is wrong is said at once, with where it came from, and no port is bound.
#[test]
fn a_bad_configuration_is_said_whole_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (code, stdout, stderr) = run(tenantry()
        .args(["serve", "all", "--set", "server.max_calls=0", "--set", "server.lisen=1", "--data-dir"])
        .arg(&data)
        .env("TENANTRY_TELEMETRY__LOG", "=,="));
    assert_eq!(code, 64, "{stderr}");
    assert!(stdout.is_empty());
    for said in ["server.max_calls", "server.lisen", "`listen`", "telemetry.log", "TENANTRY_TELEMETRY__LOG"] {
        assert!(stderr.contains(said), "{said} is not in: {stderr}");
    }
    assert!(!data.exists());

    let (code, _, stderr) = run(tenantry().args(["serve", "directory", "--data-dir"]).arg(&data));
    assert_eq!((code, stderr.contains("peers.authz"), stderr.contains("share one process")), (64, true, true), "{stderr}");
    let (code, _, stderr) = run(tenantry().args(["serve", "authz"]));
    assert_eq!((code, stderr.contains("peers.feed")), (64, true), "{stderr}");
    let (code, _, stderr) = run(tenantry().args(["serve", "all", "--listen", "0.0.0.0:0", "--data-dir"]).arg(&data));
    assert_eq!((code, stderr.contains("loopback")), (64, true), "{stderr}");
    let (code, _, _) = run(tenantry().args(["serve"]));
    assert_eq!(code, 64);
}

/// The published matrix comes out of the running system as it is in the file: their `diff` is empty (D6).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_matrix_command_prints_the_published_file() {
    let installation = Installation::start(Layout::One, Store::Sqlite);
    let (code, stdout, stderr) =
        run(tenantry().args(["matrix", "roleModels/campaign-studio", "--format", "csv", "--address", installation.address()]));
    assert_eq!((code, stdout.as_str()), (0, include_str!("../conformance/campaign-studio.csv")), "{stderr}");
}

/// SQLite has one writing process; a second one is told so instead of waiting or corrupting.
#[test]
fn a_second_process_on_the_same_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let _first = Process::serve(&["all", "--data-dir", &data, "--listen", "127.0.0.1:0"], &folder.path().join("log")).unwrap();
    let (code, _, stderr) = run(tenantry().args(["serve", "all", "--data-dir", &data, "--listen", "127.0.0.1:0"]));
    assert_eq!((code, stderr.contains("in use by another process")), (69, true), "{stderr}");
}
