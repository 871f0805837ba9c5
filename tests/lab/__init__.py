"""The laboratory: network namespaces, real routers and whole Ingot stacks, for the demo, the system tests and the benches.

Everything lives in namespaces that the lab made itself, with a prefix of its own, so several labs on one machine never meet."""
