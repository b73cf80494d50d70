//! Clients who must say who they are before a server hears of them.

use crate::tls::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pre-authentication of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct PreAuthentication {
    /// Whether clients must say who they are.
    #[schemars(title = "Enable pre-authentication")]
    pub require: bool,
    /// How clients say it.
    #[schemars(title = "Client authentication mode")]
    pub client_mode: ClientAuthentication,
    /// How servers are told.
    #[schemars(title = "Server authentication mode")]
    pub server_mode: ServerAuthentication,
    /// The name of the sign-on domain.
    #[schemars(title = "Sign-on domain", length(max = 64))]
    pub domain: String,
    /// Names of further sign-on domains.
    #[schemars(title = "Alternative domains", length(max = 32), inner(length(max = 64)))]
    pub other_domains: Vec<String>,
    /// Host names that may be asked for; none: any.
    #[schemars(title = "Allowed virtual hosts", length(max = 64), inner(length(max = 253)))]
    pub allowed_hosts: Vec<String>,
    /// Paths that may be asked for; none: any.
    #[schemars(title = "Allowed directories", length(max = 64), inner(length(max = 255)))]
    pub allowed_directories: Vec<String>,
    /// Paths that need no sign-on.
    #[schemars(title = "Excluded directories", length(max = 64), inner(length(max = 255)))]
    pub excluded_directories: Vec<String>,
    /// Mail domains that need no sign-on.
    #[schemars(title = "Excluded domains", length(max = 64), inner(length(max = 253)))]
    pub excluded_domains: Vec<String>,
    /// Mail domains that mail is taken for.
    #[schemars(title = "Permitted mail domains", length(max = 64), inner(length(max = 253)))]
    pub mail_domains: Vec<String>,
    /// Groups of which a client must be in one; none: any.
    #[schemars(title = "Permitted groups", length(max = 64), inner(length(max = 255)))]
    pub groups: Vec<String>,
    /// The same, by their identifiers.
    #[schemars(title = "Permitted group identifiers", length(max = 64), inner(length(max = 255)))]
    pub group_ids: Vec<String>,
    /// Groups within groups count.
    #[schemars(title = "Include nested groups")]
    pub nested_groups: bool,
    /// Groups whose members go to the servers of their own sub-service.
    #[schemars(title = "Steering groups", length(max = 64), inner(length(max = 255)))]
    pub steering_groups: Vec<String>,
    /// The path, or a part of it, that ends a session.
    #[schemars(title = "Logoff string", length(max = 255))]
    pub logoff: String,
    /// The set of pages for the sign-on form.
    #[schemars(title = "Form image set", length(max = 64))]
    pub form: String,
    /// What the form says above its fields.
    #[schemars(title = "Form greeting message", length(max = 255))]
    pub message: String,
    /// The form asks whether the computer is a public one.
    #[schemars(title = "Display public/private option")]
    pub ask_public: bool,
    /// The form has no field for a password.
    #[schemars(title = "Disable password form")]
    pub no_password: bool,
    /// The form has a puzzle that programs find hard.
    #[schemars(title = "Captcha")]
    pub captcha: Captcha,
    /// Servers get the account in the header `Authorization`, with this value as the name of the header otherwise.
    #[schemars(title = "Additional authentication header", length(max = 127))]
    pub header: String,
    /// What is logged: 1 sign-ons, 2 users' requests, 4 connections, added together.
    #[schemars(title = "Sign-on logs", range(max = 7))]
    pub logs: u8,
    /// How the session's cookie may travel from other sites (RFC 6265bis).
    #[schemars(title = "SameSite cookie option")]
    pub same_site: SameSite,
    /// The path of the servers' own form.
    #[schemars(title = "Server form path", length(max = 255))]
    pub server_form_path: String,
    /// What is sent to the servers' own form.
    #[schemars(title = "Server form data", length(max = 2047))]
    pub server_form_data: String,
    /// The servers' form gets the user's name without the domain.
    #[schemars(title = "User name only to the server's form")]
    pub server_form_user_only: bool,
    /// The name of the sign-on domain that servers are told with.
    #[schemars(title = "Outbound sign-on domain", length(max = 64))]
    pub outbound_domain: String,
    /// Bearer tokens of clients are verified (RFC 6750).
    #[schemars(title = "Verify bearer header")]
    pub verify_bearer: bool,
    /// The name of the certificate that tokens are verified with.
    #[schemars(title = "Bearer certificate", length(max = 64))]
    pub bearer_certificate: String,
    /// Texts of which one must be in a token; none: any token.
    #[schemars(title = "Bearer texts", length(max = 5), inner(length(max = 255)))]
    pub bearer_texts: Vec<String>,
    /// The host that gives tokens for servers.
    #[schemars(title = "Token server", length(max = 253))]
    pub token_server: String,
    /// Where users change their password.
    #[schemars(title = "Password change URL", length(max = 255))]
    pub password_url: String,
    /// What users are told there.
    #[schemars(title = "Password change message", length(max = 255))]
    pub password_message: String,
    /// Whether users are warned of a password that ends.
    #[schemars(title = "Password expiry warning")]
    pub password_warning: bool,
    /// How long before.
    #[schemars(title = "Password expiry warning days", range(min = 1, max = 30), extend("x-unit" = "days", "x-what" = "a number of days"))]
    pub password_warning_days: u8,
}

impl Default for PreAuthentication {
    fn default() -> Self {
        let (none, empty) = (Vec::new, String::new);
        Self {
            require: false,
            client_mode: ClientAuthentication::Delegate,
            server_mode: ServerAuthentication::None,
            domain: empty(),
            other_domains: none(),
            allowed_hosts: none(),
            allowed_directories: none(),
            excluded_directories: none(),
            excluded_domains: none(),
            mail_domains: none(),
            groups: none(),
            group_ids: none(),
            nested_groups: false,
            steering_groups: none(),
            logoff: empty(),
            form: empty(),
            message: empty(),
            ask_public: false,
            no_password: false,
            captcha: Captcha::default(),
            header: empty(),
            logs: 0,
            same_site: SameSite::Unset,
            server_form_path: empty(),
            server_form_data: empty(),
            server_form_user_only: false,
            outbound_domain: empty(),
            verify_bearer: false,
            bearer_certificate: empty(),
            bearer_texts: none(),
            token_server: empty(),
            password_url: empty(),
            password_message: empty(),
            password_warning: false,
            password_warning_days: 15,
        }
    }
}

/// How clients say who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// To the server.
    #[default]
    #[schemars(title = "delegate to server")]
    Delegate,
    /// HTTP Basic (RFC 7617).
    #[schemars(title = "basic authentication")]
    Basic,
    /// A form.
    #[schemars(title = "form based")]
    Form,
    /// A certificate of their own.
    #[schemars(title = "client certificate")]
    Certificate,
    /// NTLM.
    #[schemars(title = "NTLM")]
    Ntlm,
    /// SAML.
    #[schemars(title = "SAML")]
    Saml,
    /// A form of the server, which is passed on.
    #[schemars(title = "pass post")]
    PassPost,
    /// OpenID Connect.
    #[schemars(title = "OIDC / OAuth")]
    Oidc,
}

/// How servers are told who a client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerAuthentication {
    /// They are not.
    #[default]
    #[schemars(title = "none")]
    None,
    /// HTTP Basic (RFC 7617).
    #[schemars(title = "basic authentication")]
    Basic,
    /// Their own form.
    #[schemars(title = "form based")]
    Form,
    /// Kerberos constrained delegation.
    #[schemars(title = "KCD")]
    Kcd,
    /// A token.
    #[schemars(title = "server token")]
    Token,
}

/// A puzzle that programs find hard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Captcha {
    /// Whether the form has one.
    #[schemars(title = "Require a captcha")]
    pub require: bool,
    /// The key that is public.
    #[schemars(title = "Captcha public key", length(max = 255))]
    pub public_key: String,
    /// The key that is not.
    #[schemars(title = "Captcha private key", extend("maxLength" = 255))]
    pub private_key: Secret,
    /// Where clients get the puzzle.
    #[schemars(title = "Captcha access URL", length(max = 255))]
    pub access_url: String,
    /// Where answers are verified.
    #[schemars(title = "Captcha verify URL", length(max = 255))]
    pub verify_url: String,
}

/// How a cookie may travel from other sites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SameSite {
    /// As the browser has it.
    #[default]
    #[schemars(title = "not added")]
    Unset,
    /// Always.
    #[schemars(title = "None")]
    None,
    /// With links only.
    #[schemars(title = "Lax")]
    Lax,
    /// Never.
    #[schemars(title = "Strict")]
    Strict,
}

/// Somewhere that knows who users are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["sign-on domain {name}"], "x-inactive" = true))]
pub struct SignOnDomain {
    /// What services call it.
    #[schemars(title = "Name", length(max = 64))]
    pub name: String,
    /// How it is asked.
    #[serde(default)]
    #[schemars(title = "Authentication protocol")]
    pub protocol: SignOnProtocol,
    /// The name of an LDAP endpoint, for the protocols over LDAP.
    #[serde(default)]
    #[schemars(title = "LDAP endpoint", length(max = 64))]
    pub ldap_endpoint: String,
    /// Servers, by name or address, for the other protocols.
    #[serde(default)]
    #[schemars(title = "Servers", length(max = 8), inner(length(max = 253)))]
    pub servers: Vec<String>,
    /// The secret that is shared with them.
    #[serde(default)]
    #[schemars(title = "Shared secret", extend("maxLength" = 255))]
    pub secret: Secret,
    /// The realm, or the domain, of the accounts.
    #[serde(default)]
    #[schemars(title = "Domain or realm", length(max = 253))]
    pub realm: String,
    /// How users write their name.
    #[serde(default)]
    #[schemars(title = "Logon format")]
    pub logon_format: LogonFormat,
    /// Wrong passwords after which an account is locked; 0: never.
    #[serde(default)]
    #[schemars(title = "Failed attempts", range(max = 99), extend("x-what" = "a number of attempts"))]
    pub failures: u8,
    /// How long.
    #[serde(default = "crate::defaults::unlock_s")]
    #[schemars(title = "Unlock after", range(min = 60, max = 86_400), extend("x-unit" = "s", "x-what" = "a time"))]
    pub unlock_s: u32,
    /// A session without a request ends after this.
    #[serde(default = "crate::defaults::session_idle_s")]
    #[schemars(title = "Session idle time", range(min = 60, max = 604_800), extend("x-unit" = "s"))]
    pub idle_s: u32,
    /// A session ends after this in any case.
    #[serde(default = "crate::defaults::session_longest_s")]
    #[schemars(title = "Session longest duration", range(min = 60, max = 604_800), extend("x-unit" = "s"))]
    pub longest_s: u32,
}

/// How a sign-on domain is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignOnProtocol {
    /// LDAP in clear text.
    #[default]
    #[schemars(title = "LDAP, unencrypted")]
    Ldap,
    /// LDAP with STARTTLS.
    #[schemars(title = "LDAP with StartTLS")]
    LdapStartTls,
    /// LDAP over TLS.
    #[schemars(title = "LDAPS")]
    Ldaps,
    /// RADIUS (RFC 2865).
    #[schemars(title = "RADIUS")]
    Radius,
    /// RSA SecurID.
    #[schemars(title = "RSA-SecurID")]
    SecurId,
    /// Certificates of users.
    #[schemars(title = "Certificates")]
    Certificates,
    /// SAML.
    #[schemars(title = "SAML")]
    Saml,
    /// OpenID Connect.
    #[schemars(title = "OIDC / OAuth")]
    Oidc,
    /// Kerberos constrained delegation, outbound.
    #[schemars(title = "Kerberos constrained delegation")]
    Kcd,
}

/// How users write their name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogonFormat {
    /// `user@domain`.
    #[default]
    #[schemars(title = "principal name")]
    Principal,
    /// `domain\\user`.
    #[schemars(title = "user name")]
    UserName,
    /// `user`.
    #[schemars(title = "user name only")]
    UserNameOnly,
}

/// A directory that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["LDAP endpoint {name}"], "x-inactive" = true))]
pub struct LdapEndpoint {
    /// What checks and domains call it.
    #[schemars(title = "Name", length(max = 64))]
    pub name: String,
    /// Servers, by name or address, and a port after a colon; asked in turn.
    #[schemars(title = "Servers", length(min = 1, max = 8), inner(length(max = 259)))]
    pub servers: Vec<String>,
    /// How it is spoken with.
    #[serde(default)]
    #[schemars(title = "LDAP protocol")]
    pub protocol: LdapProtocol,
    /// The account that is used; empty: none.
    #[serde(default)]
    #[schemars(title = "Admin user", length(max = 255))]
    pub user: String,
    /// Its password.
    #[serde(default)]
    #[schemars(title = "Admin password", extend("maxLength" = 255))]
    pub password: Secret,
    /// What a server has to answer.
    #[serde(default = "crate::defaults::ldap_timeout_s")]
    #[schemars(title = "LDAP time-out", range(min = 1, max = 60), extend("x-unit" = "s"))]
    pub timeout_s: u8,
    /// From one look whether it is there to the next.
    #[serde(default = "crate::defaults::ldap_interval_s")]
    #[schemars(title = "Validation interval", range(min = 10, max = 86_400), extend("x-unit" = "s"))]
    pub interval_s: u32,
    /// How often a server is asked again that did not answer.
    #[serde(default)]
    #[schemars(title = "Referral count", range(max = 10), extend("x-what" = "a number of referrals"))]
    pub referrals: u8,
}

/// How a directory is spoken with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LdapProtocol {
    /// In clear text.
    #[default]
    #[schemars(title = "unencrypted")]
    Plain,
    /// Clear text that turns to TLS.
    #[schemars(title = "StartTLS")]
    StartTls,
    /// TLS from the first byte.
    #[schemars(title = "LDAPS")]
    Ldaps,
}
