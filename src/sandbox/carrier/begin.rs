//! The world as it begins, and as it is again after a reset. No I/O.

use serde_json::json;

use super::{
    config::{AgentSeed, Dialect, SandboxConfig},
    flowyte,
    world::Simulation,
};

/// Everything that the configuration describes, the same every time. Numbers come last: how many there are changes nothing else.
pub(super) fn world(config: &SandboxConfig) -> Result<Simulation, String> {
    let mut world = Simulation::new(config)?;
    for AgentSeed { account, name, published } in &config.agents {
        let account = account.clone().or_else(|| config.first_account(Dialect::Flowyte));
        let account = account.filter(|account| world.dialect_of(account) == Dialect::Flowyte);
        let account = account.ok_or_else(|| format!("there is no account that could host the agent {name:?}"))?;
        let agent =
            flowyte::found_agent(&mut world, &account, [("name".to_owned(), json!(name))].into_iter().collect());
        if *published {
            flowyte::publish_draft(&mut world, &agent, None);
        }
    }
    let default = config.default_account();
    for number in &config.numbers {
        let account = number.account.as_ref().unwrap_or(&default);
        world.seed_number(account, &number.number, number.settings.clone())?;
    }
    Ok(world)
}
