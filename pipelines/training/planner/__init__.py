"""Which layout to train with: memory, traffic, time and cost of each, by arithmetic alone.

    cluster   what the machines can do            memory    bytes per card
    workload  the network, the batch, the choice  traffic   bytes that collectives move, and over which links
    rules     what can't be trained               time      seconds of a step
    search    all feasible choices, best first    explain   the table and the reasons
    anchors   what others measured                units     numbers as people read them

It imports neither torch nor ray: an answer takes seconds on a laptop, for any number of cards.

Not guaranteed: times rest on a handful of constants fitted to published runs (`time.CONSTANTS`); docs/training.md
states the error of each. Failures, checkpoints and input are not in them. The network has two levels, within a node and
between nodes, and no congestion. Routing that favours some experts is not foreseen.
"""
