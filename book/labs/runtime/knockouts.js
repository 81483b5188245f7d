// Heads switched off: what takes the place of their outputs.

/**
 * An edit for `run` that holds nodes at given outputs.
 *
 * @param nodes list of `{ layer, head, position }`; position null for every position
 * @param off the outputs that stand for "off", for each layer (position, head, headWidth); null for
 *   zero. A run's own `z` fits: then the nodes are patched from that run.
 */
export function hold(model, nodes, off = null) {
  const { width, headWidth } = model;
  return (layer, z) => {
    for (const node of nodes) {
      if (node.layer !== layer) continue;
      const every = node.position === null || node.position === undefined;
      const from = every ? 0 : node.position;
      const to = every ? z.length / width : node.position + 1;
      for (let at = from; at < to; at += 1) {
        const start = at * width + node.head * headWidth;
        if (off) z.set(off[layer].subarray(start, start + headWidth), start);
        else z.fill(0, start, start + headWidth);
      }
    }
  };
}

/** The mean of the heads' outputs over runs of equal length, for each layer and position. */
export function meanOutputs(runs) {
  return runs[0].z.map((first, layer) => {
    const total = new Float64Array(first.length);
    for (const { z } of runs) {
      for (let i = 0; i < total.length; i += 1) total[i] += z[layer][i];
    }
    return Float32Array.from(total, (sum) => sum / runs.length);
  });
}
