//! grpcurl 1.8.6, which speaks reflection v1alpha, lists, describes and calls every service.

use std::{env, process::Command};

use tests::installation::{Installation, Layout, PLATFORM, Store};

struct Grpcurl {
    address: String,
}

impl Grpcurl {
    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let program = env::var("TENANTRY_TEST_GRPCURL")
            .expect("TENANTRY_TEST_GRPCURL is not set: run the tests with `make test`, or under `tests/with-grpcurl`");
        let output = Command::new(program).args(["-plaintext", "-max-time", "20"]).args(arguments).output().expect("grpcurl runs");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), text)
    }

    fn ask(&self, verb: &[&str]) -> String {
        let mut arguments = vec![self.address.as_str()];
        arguments.extend(verb);
        let (success, text) = self.run(&arguments);
        assert!(success, "grpcurl {verb:?}: {text}");
        text
    }

    fn call(&self, actor: &str, method: &str, body: &str) -> (bool, String) {
        let actor = format!("on-behalf-of: {actor}");
        self.run(&["-H", &actor, "-d", body, &self.address, method])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_lists_describes_and_calls_every_service() {
    let installation = Installation::start(Layout::One, Store::Sqlite);
    let grpcurl = Grpcurl { address: installation.address().trim_start_matches("http://").to_owned() };

    let listed = grpcurl.ask(&["list"]);
    let services: Vec<&str> = listed.lines().filter(|line| line.starts_with("tenantry.")).collect();
    assert!(services.len() >= 16, "{listed}");
    for service in &services {
        let described = grpcurl.ask(&["describe", service]);
        // Every service and every method says what it promises.
        assert!(described.contains("// "), "{described}");
        let methods = grpcurl.ask(&["list", service]);
        for method in methods.lines() {
            let described = grpcurl.ask(&["describe", method]);
            assert!(described.contains("// "), "{described}");
        }
    }
    let described = grpcurl.ask(&["describe", "tenantry.directory.v1.RoleBinding"]);
    assert!(described.contains("// Optional. The component map"), "{described}");

    // One call of each service; those that write make what the later ones read.
    let acme = r#""organizations/acme""#;
    for (service, method, body) in [
        ("tenantry.directory.v1.UserService", "CreateUser", r#"{"user_id": "ann", "user": {"email": "ann@example.com"}}"#.to_owned()),
        (
            "tenantry.directory.v1.OrganizationService",
            "CreateOrganization",
            r#"{"organization_id": "acme", "organization": {"display_name": "Acme", "role_model": "roleModels/campaign-studio"},
                "holders": [{"user": "users/ann", "role": "roleModels/campaign-studio/roles/organization-admin"}]}"#
                .to_owned(),
        ),
        (
            "tenantry.directory.v1.WorkspaceService",
            "CreateWorkspace",
            format!(r#"{{"parent": {acme}, "workspace_id": "emea", "workspace": {{"display_name": "EMEA"}}}}"#),
        ),
        (
            "tenantry.directory.v1.AccountService",
            "CreateAccount",
            format!(r#"{{"parent": {acme}, "account_id": "a1", "account": {{"display_name": "First"}}}}"#),
        ),
        (
            "tenantry.directory.v1.ResourceService",
            "CreateResource",
            r#"{"resource": {"name": "organizations/acme/workspaces/emea/campaigns/42"}}"#.to_owned(),
        ),
        ("tenantry.directory.v1.MemberService", "ListMembers", format!(r#"{{"parent": {acme}}}"#)),
        (
            "tenantry.directory.v1.GroupService",
            "CreateGroup",
            format!(r#"{{"parent": {acme}, "group_id": "all", "group": {{"display_name": "All"}}}}"#),
        ),
        ("tenantry.directory.v1.PartnershipService", "ListPartnerships", format!(r#"{{"parent": {acme}}}"#)),
        ("tenantry.directory.v1.RoleBindingService", "ListRoleBindings", format!(r#"{{"parent": {acme}}}"#)),
        ("tenantry.directory.v1.InvitationService", "ListInvitations", format!(r#"{{"parent": {acme}}}"#)),
        ("tenantry.directory.v1.CeilingService", "GetCeiling", r#"{"node": "organizations/acme/workspaces/emea"}"#.to_owned()),
        ("tenantry.rolecatalog.v1.RoleModelService", "ListRoleModels", "{}".to_owned()),
        ("tenantry.rolecatalog.v1.RoleService", "ListRoles", format!(r#"{{"parent": {acme}}}"#)),
        ("tenantry.rolecatalog.v1.PermissionService", "ListPermissions", format!(r#"{{"parent": {acme}}}"#)),
        ("tenantry.feed.v1.FeedService", "GetHead", "{}".to_owned()),
    ] {
        assert!(services.contains(&service), "{service} is not listed");
        let (success, text) = grpcurl.call(PLATFORM, &format!("{service}/{method}"), &body);
        assert!(success, "{service}/{method}: {text}");
    }
    let check = r#"{"query": {"user": "users/ann", "permission": "campaigns.run_actual", "resource": "organizations/acme/workspaces/emea/campaigns/42"},
        "consistency": {"fully_consistent": true}}"#;
    let (success, text) = grpcurl.call("users/ann", "tenantry.authz.v1.CheckService/Check", check);
    assert!(success && text.contains("VERDICT_ALLOW"), "{text}");

    // A refusal comes with its details decoded.
    let (success, text) = grpcurl.call(
        "users/ann",
        "tenantry.authz.v1.CheckService/Check",
        r#"{"query": {"user": "users/ann", "permission": "x.y", "resource": "organizations/acme"}}"#,
    );
    assert!(!success && text.contains("UNKNOWN_PERMISSION") && text.contains("google.rpc.ErrorInfo"), "{text}");
    // Permits are for Tenantry's own services.
    let (success, text) = grpcurl.call("users/ann", "tenantry.authz.v1.PermitService/GetPermit", "{}");
    assert!(!success && text.contains("NOT_ALLOWED"), "{text}");
}
