//! Rules on requests and answers: who is chosen by them, and what they change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that is looked for, or changed, in requests and answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["rule {name}"], "x-inactive" = true))]
pub struct Rule {
    /// What services call it: a letter, then letters, digits, `_` and `-`.
    #[schemars(title = "Name", length(max = 64))]
    pub name: String,
    /// What it does.
    #[schemars(title = "Rule type")]
    pub does: RuleKind,
    /// It is looked at only while this mark is set on the request.
    #[serde(default)]
    #[schemars(title = "Only if mark is set", range(min = 1, max = 9), extend("x-absent" = "always", "x-what" = "a mark"))]
    pub only_on: Option<u8>,
    /// It is looked at only while this mark is not set on the request.
    #[serde(default)]
    #[schemars(title = "Only if mark is not set", range(min = 1, max = 9), extend("x-absent" = "always", "x-what" = "a mark"))]
    pub only_off: Option<u8>,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// Looks at the request, and so chooses a server or sub-service, or sets a mark.
    #[schemars(title = "Content matching")]
    Match(MatchRule),
    /// Adds a header.
    #[schemars(title = "Add header")]
    AddHeader(AddHeaderRule),
    /// Takes headers away.
    #[schemars(title = "Delete header")]
    DeleteHeader(DeleteHeaderRule),
    /// Puts other text into a header.
    #[schemars(title = "Replace header")]
    ReplaceHeader(ReplaceHeaderRule),
    /// Puts other text into the address that is asked for.
    #[schemars(title = "Modify URL")]
    ModifyUrl(ReplaceRule),
    /// Puts other text into the body of an answer.
    #[schemars(title = "Replace string in response body")]
    ReplaceBody(ReplaceBodyRule),
}

/// What a request must look like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MatchRule {
    /// What is looked at; with nothing named, the path that is asked for.
    #[schemars(title = "Match in")]
    pub looks_at: LooksAt,
    /// How the text is compared.
    #[schemars(title = "Match type")]
    pub by: MatchType,
    /// What is looked for.
    #[schemars(title = "Match string", length(max = 255))]
    pub pattern: String,
    /// Upper and lower case are the same.
    #[schemars(title = "Ignore case")]
    pub ignore_case: bool,
    /// It matches where the text is not there.
    #[schemars(title = "Negation")]
    pub negate: bool,
    /// The host name stands before the path in what is looked at.
    #[schemars(title = "Include host in URL")]
    pub include_host: bool,
    /// The query stands behind the path in what is looked at.
    #[schemars(title = "Include query in URL")]
    pub include_query: bool,
    /// The request is refused where it matches.
    #[schemars(title = "Fail on match")]
    pub must_fail: bool,
    /// The mark that a match sets on the request, for other rules.
    #[schemars(title = "Set mark on match", range(min = 1, max = 9), extend("x-absent" = "none", "x-what" = "a mark"))]
    pub sets: Option<u8>,
}

/// What a content rule looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LooksAt {
    /// The path that is asked for.
    #[default]
    #[schemars(title = "URL")]
    Url,
    /// A header of the request.
    #[schemars(title = "a header", extend("x-words" = "the header {name}"))]
    Header(HeaderName),
    /// The body of the request.
    #[schemars(title = "the body")]
    Body,
    /// The client's address.
    #[schemars(title = "the source address")]
    SourceAddress,
}

/// The name of a header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderName {
    /// RFC 9110 §5.1.
    #[schemars(title = "Header", length(max = 127))]
    pub name: String,
}

/// How a text is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchType {
    /// A regular expression is found in it.
    #[default]
    #[schemars(title = "regular expression")]
    Regex,
    /// It begins so.
    #[schemars(title = "prefix")]
    Prefix,
    /// It ends so.
    #[schemars(title = "postfix")]
    Postfix,
}

/// A header that is added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddHeaderRule {
    /// Its name.
    #[schemars(title = "Header field to be added", length(max = 127))]
    pub header: String,
    /// What it says.
    #[schemars(title = "Value of header field", length(max = 255))]
    pub value: String,
}

/// Headers that are taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteHeaderRule {
    /// A regular expression for their names.
    #[schemars(title = "Header field to be deleted", length(max = 127))]
    pub pattern: String,
}

/// A header that other text is put into.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceHeaderRule {
    /// Its name.
    #[schemars(title = "Header field", length(max = 127))]
    pub header: String,
    /// A regular expression for what is replaced.
    #[schemars(title = "Match string", length(max = 255))]
    pub pattern: String,
    /// What stands there afterwards; `\1` is the first group.
    #[schemars(title = "Replacement", length(max = 255))]
    pub replacement: String,
}

/// Text that is put in the place of other text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceRule {
    /// A regular expression for what is replaced.
    #[schemars(title = "Match string", length(max = 255))]
    pub pattern: String,
    /// What stands there afterwards; `\1` is the first group.
    #[schemars(title = "Modified URL", length(max = 255))]
    pub replacement: String,
}

/// Text of a body that is put in the place of other text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceBodyRule {
    /// What is replaced.
    #[schemars(title = "Match string", length(max = 255))]
    pub pattern: String,
    /// What stands there afterwards.
    #[schemars(title = "Replacement", length(max = 255))]
    pub replacement: String,
    /// Upper and lower case are the same.
    #[serde(default)]
    #[schemars(title = "Ignore case")]
    pub ignore_case: bool,
}

/// Names of rules that a service works through, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct ServiceRules {
    /// Servers and sub-services are chosen by their rules.
    #[schemars(title = "Content switching")]
    pub content_switching: bool,
    /// Looked at before anything else: they refuse, or set marks.
    #[schemars(title = "Pre-processing rules", length(max = 128), inner(length(max = 64)))]
    pub before: Vec<String>,
    /// They change requests.
    #[schemars(title = "Request rules", length(max = 128), inner(length(max = 64)))]
    pub request: Vec<String>,
    /// They change the heads of answers.
    #[schemars(title = "Response rules", length(max = 128), inner(length(max = 64)))]
    pub response: Vec<String>,
    /// They change the bodies of answers.
    #[schemars(title = "Response body rules", length(max = 128), inner(length(max = 64)))]
    pub response_body: Vec<String>,
}
