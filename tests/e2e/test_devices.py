"""Which microphones, speakers and cameras the page offers."""

import pytest_asyncio

from .blank import open_blank, until_in
from .browser import FAKE_MICROPHONE

SETUP = """
async () => {
  const { Devices } = await import("/js/devices.js");
  window.Devices = Devices;
  window.changes = [];
  window.devices = new Devices({ changed: (lists) => changes.push(lists) });
}
"""
# What the browser lists, under the test's control; the event is the browser's own, without a cable.
LISTED = """
window.listed = [];
if (navigator.mediaDevices) navigator.mediaDevices.enumerateDevices = async () => listed;
window.plug = (...all) => {
  window.listed = all.map(([kind, deviceId, label = ""]) => ({ kind, deviceId, label, groupId: "" }));
  navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
};
"""


@pytest_asyncio.fixture(loop_scope="session")
async def page():
    async with open_blank(*FAKE_MICROPHONE, script=LISTED) as page:
        await page.evaluate(SETUP)
        yield page


async def test_real_devices_with_their_names_after_a_permission():
    async with open_blank(*FAKE_MICROPHONE) as page:
        await page.evaluate(SETUP)
        await page.evaluate("() => navigator.mediaDevices.getUserMedia({ audio: true, video: true })")
        lists = await page.evaluate("() => devices.refresh()")
        labels = {kind: [device["label"] for device in devices] for kind, devices in lists.items()}
        assert labels == {
            "microphones": ["Fake Audio Input 1", "Fake Audio Input 2"],
            "speakers": ["Fake Audio Output 1", "Fake Audio Output 2"],
            "cameras": ["fake_device_0"],
        }
        chosen = lists["microphones"][1]["id"]
        opened = """async (exact) => (await navigator.mediaDevices.getUserMedia({ audio: { deviceId: { exact } } }))
          .getAudioTracks()[0].getSettings().deviceId"""
        assert await page.evaluate(opened, chosen) == chosen
        assert await page.evaluate("() => devices.canChooseSpeaker") is True
        assert await page.evaluate("() => JSON.stringify(devices.lists) === JSON.stringify(changes[0])")


async def test_aliases_are_left_out_and_the_nameless_are_numbered(page):
    await page.evaluate(
        """() => plug(
          ["audioinput", "default", "Default - Desk"], ["audioinput", "communications", "Communications - Desk"],
          ["audioinput", "a", "Desk"], ["audioinput", "b"],
          ["audiooutput", ""], ["audiooutput", "c"], ["videoinput", "d"], ["videoinput", "e"])"""
    )
    assert await until_in(page, "changes[0]") == {
        "microphones": [{"id": "a", "label": "Desk"}, {"id": "b", "label": "Microphone 2"}],
        "speakers": [{"id": "c", "label": "Speaker 1"}],
        "cameras": [{"id": "d", "label": "Camera 1"}, {"id": "e", "label": "Camera 2"}],
    }


async def test_only_real_changes_are_told(page):
    names = "changes.map((lists) => lists.microphones.map((microphone) => microphone.label).join())"
    await page.evaluate("() => plug(['audioinput', 'a', 'Desk'])")
    await until_in(page, "changes.length === 1")
    for _ in range(3):  # one cable makes several events
        await page.evaluate("() => plug(['audioinput', 'a', 'Desk'], ['audioinput', 'default', 'Desk'])")
        await page.evaluate("() => devices.refresh()")
    await page.evaluate("() => plug(['audioinput', 'a', 'Desk'], ['audioinput', 'b', 'Headset'])")
    await until_in(page, "changes.length >= 2")
    await page.evaluate("() => { plug(); return devices.refresh(); }")
    assert await page.evaluate(f"() => {names}") == ["Desk", "Desk,Headset", ""]


async def test_page_that_may_not_list_devices():
    refused = (
        "if (navigator.mediaDevices) navigator.mediaDevices.enumerateDevices = async () => { throw new Error(); };"
    )
    insecure = [*FAKE_MICROPHONE]
    for host in ("127.0.0.1", "voice.test"):
        async with open_blank(*insecure, host=host, script=refused) as page:
            await page.evaluate(SETUP)
            assert await page.evaluate("() => devices.refresh()") == {"microphones": [], "speakers": [], "cameras": []}
            assert await page.evaluate("() => changes") == []


async def test_hands_free_profile_is_known_by_its_name(page):
    hands_free = [
        "Headset (WH-1000XM4 Hands-Free AG Audio)", "Headset (Jabra Hands-Free) (Bluetooth)", "AirPods Pro (Bluetooth)",
        "Car handsfree", "WH-1000XM4 Headset Head Unit (HSP/HFP)", "Bluetooth headset",
    ]  # fmt: skip
    others = ["", "MacBook Pro Microphone (Built-in)", "Headset Microphone (Jabra USB)", "Blue Yeti", "Default - Desk"]
    said = await page.evaluate("(labels) => labels.map((label) => Devices.isHandsFree(label))", hands_free + others)
    assert said == [True] * len(hands_free) + [False] * len(others)
