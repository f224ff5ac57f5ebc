import MioMedia
import MioModel
