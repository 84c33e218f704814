"""Work as a remote agent of an Orchestra installation: register, take assignments, stream, answer.

agent = Agent("https://orchestra.example.org", token="ort_…", name="Translator", capabilities=["translate"])

@agent.handler
async def translate(assignment):
    await assignment.say("Guten Tag")
    return "Guten Tag"

agent.run()
"""

from orchestra_agent.agent import Agent
from orchestra_agent.assignment import Assignment, Failed, Refused

__all__ = ["Agent", "Assignment", "Failed", "Refused"]
