//! Where the platform is asked about calls and texts, and what it says: which agent answers, and with which words. No I/O.
//!
//! Only the URL for Telnyx is published; those for Twilio are made after it. The carrier's request really comes here, and
//! what is said names the agent, so that one who places a call can tell who answered.

use serde_json::Value;

use super::{
    super::{signature::verify_signature, world::Simulation},
    state::{Agent, Attached, Credentials},
};

const HOST: &str = "api.nixflex.com";
const PUBLIC: &str = "https://api.nixflex.com";
const AGENT: &str = "<Parameter name=\"agent_id\" value=\"";
const BUSY: &str = "<Response><Reject reason=\"busy\"/></Response>";

/// The public URLs that the platform has carriers ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NixflexWebhooks {
    /// What it writes on a number at Twilio.
    pub voice: String,
    pub sms: String,
    pub status: String,
    /// What a customer writes on a TeXML application at Telnyx.
    pub telnyx_voice: String,
}

impl Default for NixflexWebhooks {
    fn default() -> Self {
        let url = |path: &str| format!("{PUBLIC}/{path}");
        Self {
            voice: url("twilio-voice"),
            sms: url("twilio-sms"),
            status: url("twilio-status"),
            telnyx_voice: url("telnyx-voice"),
        }
    }
}

/// Whether a webhook is the platform's.
pub(super) fn is_ours(url: &str) -> bool {
    url.strip_prefix(PUBLIC).is_some_and(|rest| rest.starts_with('/'))
}

/// Where a request for one of the platform's public URLs goes here.
pub(in super::super) fn at_home(base: &str, public: &str) -> Option<String> {
    let path = public.strip_prefix(PUBLIC).filter(|rest| rest.starts_with('/'))?;
    Some(format!("{base}/nixflex{}", path.split('?').next().unwrap_or_default()))
}

/// Which agent answers by what was said at a URL, and whether it is too busy to.
pub(in super::super) fn heard(url: &str, said: &str) -> (Option<String>, bool) {
    if !is_ours(url) {
        return (None, false);
    }
    let agent = said.split_once(AGENT).and_then(|(_, rest)| rest.split_once('"'));
    (agent.map(|(agent, _)| agent.to_owned()), said == BUSY)
}

/// Answers a carrier: status and XML.
pub(in super::super) fn answer(
    world: &mut Simulation,
    path: &str,
    params: &[(String, String)],
    signature: Option<&str>,
) -> (u16, String) {
    let path = path.trim_start_matches("/nixflex");
    let (provider, text) = match path {
        "/twilio-voice" => ("twilio", false),
        "/twilio-sms" => ("twilio", true),
        "/telnyx-voice" => ("telnyx", false),
        "/twilio-status" => return (200, "<Response/>".to_owned()),
        _ => return nobody(),
    };
    let number = params.iter().find(|(name, _)| name == "To").map_or("", |(_, value)| value.as_str());
    let Some(row) = world.nixflex.rows.get(number).filter(|row| row.credentials.provider() == provider).cloned() else {
        return nobody();
    };
    if let (Credentials::Twilio { token, .. }, true) = (&row.credentials, world.switches.nixflex.check_signature)
        && !verify_signature(token, &format!("{PUBLIC}{path}"), params, signature.unwrap_or_default())
    {
        return (403, "<Response/>".to_owned());
    }
    let Some(agent) = answering(world, &row).map(|agent| agent.id.clone()) else { return nobody() };
    match text {
        true if row.settings["sms_reply_enabled"] == true => (200, spoken("sms_prompt", &agent, &row)),
        true => (200, "<Response/>".to_owned()),
        false if taken(world, &row.key) => (200, spoken("custom_prompt", &agent, &row)),
        false => (200, BUSY.to_owned()),
    }
}

/// Nobody is there for the number.
fn nobody() -> (u16, String) {
    (404, "<Response><Reject/></Response>".to_owned())
}

/// The agent of a number: none for an orphan, for one that is switched off, or whose key cannot be used.
fn answering<'a>(world: &'a Simulation, row: &Attached) -> Option<&'a Agent> {
    let paid = world.accounts.get(&row.key).is_some_and(|key| key.status == "active");
    let agent = world.nixflex.agents.iter().find(|agent| Some(&agent.id) == row.agent.as_ref())?;
    Some(agent).filter(|agent| paid && agent.fields["is_active"] == true)
}

/// Takes one more call of a key, if it may have that many at once.
fn taken(world: &mut Simulation, key: &str) -> bool {
    let most = world.switches.nixflex.max_concurrent;
    let usage = world.nixflex.usage.entry(key.to_owned()).or_default();
    if usage.in_progress >= most {
        usage.rejected += 1;
        return false;
    }
    usage.calls += 1;
    usage.peak = usage.peak.max(usage.in_progress + 1);
    true
}

fn spoken(prompt: &str, agent: &str, row: &Attached) -> String {
    let words = match &row.settings[prompt] {
        Value::String(words) => format!("<Parameter name=\"{prompt}\" value=\"{}\"/>", escaped(words)),
        _ => String::new(),
    };
    format!(
        "<Response><Connect><Stream url=\"wss://{HOST}/stream\">{AGENT}{agent}\"/>{words}</Stream></Connect></Response>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_platform_says_who_answers() {
        let said = format!("<Response>{AGENT}agent_1\"/></Response>");
        assert_eq!(heard("https://api.nixflex.com/twilio-voice", &said), (Some("agent_1".to_owned()), false));
        assert_eq!(heard("https://api.nixflex.com/twilio-voice", BUSY), (None, true));
        assert_eq!(heard("https://api.nixflex.com.example/twilio-voice", &said), (None, false));
        let home = |url: &str| at_home("http://127.0.0.1:1", url);
        assert_eq!(home("https://api.nixflex.com/x").as_deref(), Some("http://127.0.0.1:1/nixflex/x"));
        assert_eq!(home("https://other.example/x"), None);
    }
}
