"""What all tests of the core share."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Keep the user's own cache out of the tests, and the tests out of it; child processes too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_SAM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
