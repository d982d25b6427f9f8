"""Settings of the tests of pixels and ground."""

from hypothesis import Phase, settings

# A busy machine is slow and no error; what lines a failure ran through takes long to explain.
phases = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink)
settings.register_profile("patient", deadline=None, phases=phases)
settings.load_profile("patient")
