//! ImageLocality: prefers nodes that have the pod's images, weighted by size and by how many nodes have them.

use crate::cache::Cluster;
use crate::framework::{MAX_NODE_SCORE, NodeScore};
use crate::node::NodeInfo;
use crate::pod::PodInfo;

/// Images smaller than this do not matter, in bytes.
const MIN_THRESHOLD_BYTES: i64 = 23 * 1024 * 1024;
/// Per container; larger images count no more, in bytes.
const MAX_CONTAINER_THRESHOLD_BYTES: i64 = 1000 * 1024 * 1024;

/// See the module's text.
pub struct ImageLocality;

impl NodeScore for ImageLocality {
    fn weight(&self) -> i64 {
        1
    }

    fn score(&self, pod: &PodInfo, node: &NodeInfo, cluster: &Cluster) -> i64 {
        let nodes = i64::try_from(cluster.node_count()).unwrap_or(i64::MAX).max(1);
        let mut sum = 0;
        for image in &pod.images {
            if let Some(size) = node.images.get(image) {
                let having = i64::try_from(cluster.nodes_with_image(image)).unwrap_or(i64::MAX);
                // Spread: an image that is on few nodes does not draw all its pods onto them.
                sum += i64::try_from(i128::from(*size) * i128::from(having) / i128::from(nodes)).unwrap_or(i64::MAX);
            }
        }
        let containers = i64::try_from(pod.images.len()).unwrap_or(i64::MAX);
        let max = MAX_CONTAINER_THRESHOLD_BYTES.saturating_mul(containers);
        if max <= MIN_THRESHOLD_BYTES {
            return 0;
        }
        let sum = sum.clamp(MIN_THRESHOLD_BYTES, max);
        MAX_NODE_SCORE * (sum - MIN_THRESHOLD_BYTES) / (max - MIN_THRESHOLD_BYTES)
    }
}
