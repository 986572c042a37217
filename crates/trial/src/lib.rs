//! A world in the lab: enforced by the agent, probed with real packets, compared with the engine.
