//! Where this agent is: its own node among those of the cluster.

use palisade_netmodel::World;
use palisade_nftables::Node;

/// The node of a name.
///
/// # Errors
///
/// If nothing is known of it, so that nobody can say which pods are its own.
pub fn own(world: &World, name: &str) -> Result<Node, String> {
    let mut nodes = world.nodes.iter();
    let node = nodes
        .find(|node| node.name == name)
        .ok_or_else(|| format!("there is no Node `{name}`"))?;
    if node.addresses.is_empty() {
        return Err(format!("Node `{name}` has no address in its status"));
    }
    Ok(Node {
        addresses: node.addresses.clone(),
        pod_networks: node.pod_networks.clone(),
    })
}
