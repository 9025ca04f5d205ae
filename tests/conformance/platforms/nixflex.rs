//! Nixflex's simulated platform, for the cases.

use std::sync::Arc;

use dialplane::{
    api::phone_number::Extra,
    carrier::nixflex::{Config, Nixflex},
    sandbox::carrier::SameAgent,
};
use secrecy::SecretString;
use serde_json::json;

use super::bench::PlatformWire;

pub static WIRE: PlatformWire = PlatformWire {
    account: |sandbox| sandbox.add_nixflex_key().unwrap(),
    open: |sandbox, key, transport, limiter| {
        let api_key = SecretString::from(format!("{}:{}", key.account_sid, key.auth_token));
        let endpoint = Some(format!("{}/nixflex", sandbox.url()).parse().unwrap());
        Arc::new(Nixflex::new(Config { api_key, endpoint }, transport, limiter).unwrap())
    },
    identity: |key| key.account_sid.clone(),
    agent: |sandbox, key| sandbox.add_nixflex_agent(&key.account_sid, "answers").unwrap(),
    switch_off: |sandbox, agent| sandbox.edit_nixflex_agent(agent, json!({ "is_active": false })).unwrap(),
    delete: |sandbox, agent| sandbox.delete_nixflex_agent(agent).unwrap(),
    answers: |sandbox, number| sandbox.nixflex_row(number)?["agent_id"].as_str().map(str::to_owned),
    edit: |sandbox, number, config| {
        sandbox
            .edit_nixflex_row(number, json!({ "custom_prompt": config.prompt, "voice_id": config.voice_id }))
            .unwrap();
    },
    switch: |sandbox, number, extra, on| {
        let name = match extra {
            Extra::Monitor => "monitor",
            Extra::WebCalls => "web-calls",
        };
        sandbox.nixflex_switch(number, name, on).unwrap();
    },
    webhooks: |sandbox| {
        let webhooks = sandbox.nixflex_webhooks();
        vec![("voice_url", webhooks.voice), ("sms_url", webhooks.sms), ("status_callback", webhooks.status)]
    },
    telnyx_voice: |sandbox| sandbox.nixflex_webhooks().telnyx_voice,
    ways: &[
        |_| {},
        |switches| switches.nixflex.paged_list = true,
        |switches| {
            switches.nixflex.paged_list = true;
            switches.nixflex.count_shown = true;
        },
        |switches| switches.nixflex.list_limit = 40,
        |switches| {
            switches.nixflex.list_limit = 40;
            switches.nixflex.wrapped_agents = true;
        },
        |switches| {
            switches.nixflex.short_answers = true;
            switches.nixflex.raw_plus = false;
        },
    ],
    rebinds: &[
        |switches| switches.nixflex.same_agent = SameAgent::Ok,
        |switches| switches.nixflex.same_agent = SameAgent::Created,
    ],
    echoes: |switches| switches.nixflex.echo_details = true,
};
