"""``python -m services.formgrader_proxy``"""

from common.program.launch import launch
from services.formgrader_proxy.app import FormgraderProxy

if __name__ == "__main__":
    launch(FormgraderProxy)
