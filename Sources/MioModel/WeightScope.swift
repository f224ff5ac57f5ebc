// Networks of MIO; see MODEL.md in each folder.
import MioFormat
import MioKernels
