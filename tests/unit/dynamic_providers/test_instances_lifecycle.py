"""That the list of instances is noted as it is declared, and that nothing else is touched."""

from dynamic_providers.instances import InstancesProvider

NOTED = {"instances": {"vpn": {"namespace": "headscale", "retain": True, "abandon_data": None}}}


def test_instances_are_stored_as_declared():
    provider = InstancesProvider()

    made = provider.create(NOTED)

    assert (made.id, made.outs) == ("instances", NOTED)
    assert provider.update(made.id, {"instances": {}}, NOTED).outs == NOTED
    read = provider.read(made.id, NOTED)
    assert (read.id, read.outs, read.inputs) == ("instances", NOTED, NOTED)
    provider.delete(made.id, NOTED)
